package s3sim

import (
	"encoding/base64"
	"encoding/binary"
)

// The combination of CRCs below is written apart from package checksum, by matrices in place of polynomials, so
// that the one can be held against the other.

// crcPolynomial is that of CRC-64/NVME, bit-reversed.
const crcPolynomial = 0x9a6c9329ac4bc9b5

// zeroAppend is the linear map that appending a fixed number of zero bytes is on a CRC: column i is the image
// of bit i.
type zeroAppend [64]uint64

func (m *zeroAppend) apply(v uint64) uint64 {
	var out uint64
	for i := 0; v != 0; i, v = i+1, v>>1 {
		out ^= m[i] & -(v & 1)
	}
	return out
}

func (m *zeroAppend) times(o *zeroAppend) zeroAppend {
	var out zeroAppend
	for i := range out {
		out[i] = m.apply(o[i])
	}
	return out
}

// appendZeros returns the map of n zero bytes.
func appendZeros(n int64) zeroAppend {
	var result, square zeroAppend
	square[0] = crcPolynomial
	for i := range result {
		result[i] = 1 << i
		if i > 0 {
			square[i] = 1 << (i - 1)
		}
	}
	for range 3 { // one bit to one byte
		square = square.times(&square)
	}
	for ; n > 0; n >>= 1 {
		if n&1 != 0 {
			result = square.times(&result)
		}
		square = square.times(&square)
	}
	return result
}

// combine returns the CRC of A followed by B of n bytes.
func combine(a, b uint64, n int64) uint64 {
	if n <= 0 {
		return a
	}
	m := appendZeros(n)
	return m.apply(a) ^ b
}

func encodeCRC(crc uint64) string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], crc)
	return base64.StdEncoding.EncodeToString(b[:])
}
