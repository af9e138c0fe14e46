// Package checksum computes CRC64NVME sums, the full-object checksum that Amazon S3 keeps by default, and
// combines those of parts into that of the whole.
package checksum

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash"

	"github.com/minio/crc64nvme"
)

// New returns a running CRC64NVME.
func New() hash.Hash64 { return crc64nvme.New() }

// Of returns the CRC64NVME of data.
func Of(data []byte) uint64 { return crc64nvme.Checksum(data) }

// Encode returns a sum as the S3 protocol writes it: eight bytes, the highest first, in base64.
func Encode(sum uint64) string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], sum)
	return base64.StdEncoding.EncodeToString(b[:])
}

// Decode is the inverse of Encode.
func Decode(text string) (uint64, error) {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b) != 8 {
		return 0, fmt.Errorf("%q is no CRC64NVME in base64", text)
	}
	return binary.BigEndian.Uint64(b), nil
}

// polynomial is that of CRC-64/NVME, bit-reversed.
// https://reveng.sourceforge.io/crc-catalogue/all.htm#crc.cat.crc-64-nvme
const polynomial = 0x9a6c9329ac4bc9b5

// Combine returns the sum of A followed by B, given the sum of each and the length of B in bytes. A sum is
// a polynomial over GF(2): appending n bits multiplies it by x^n.
func Combine(a, b uint64, lengthB int64) uint64 {
	if lengthB <= 0 {
		return a
	}
	return multiply(powerOfX(uint64(lengthB)*8), a) ^ b
}

// multiply returns a*b modulo the polynomial. The highest bit is the coefficient of x^0.
func multiply(a, b uint64) uint64 {
	var product uint64
	for m := uint64(1) << 63; m != 0; m >>= 1 {
		if a&m != 0 {
			product ^= b
		}
		carry := b & 1
		b >>= 1
		if carry != 0 {
			b ^= polynomial
		}
	}
	return product
}

// powerOfX returns x^n modulo the polynomial, by squaring.
func powerOfX(n uint64) uint64 {
	result, square := uint64(1)<<63, uint64(1)<<62
	for ; n != 0; n >>= 1 {
		if n&1 != 0 {
			result = multiply(square, result)
		}
		square = multiply(square, square)
	}
	return result
}
