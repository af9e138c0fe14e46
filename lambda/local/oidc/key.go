package oidc

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

const keyBits = 2048

// openKey reads the signing key of a file that is its owner's alone, and makes it at first.
func openKey(path string) (*rsa.PrivateKey, error) {
	text, err := readOwn(path)
	if errors.Is(err, os.ErrNotExist) {
		return makeKey(path)
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s is no PEM file; remove it to have a new key made, which signs everybody out", path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, isRSA := parsed.(*rsa.PrivateKey)
	if err != nil || !isRSA || key.N.BitLen() < keyBits {
		return nil, fmt.Errorf("%s holds no RSA key of %d bits or more; remove it to have a new one made, which signs everybody out", path, keyBits)
	}
	return key, nil
}

func makeKey(path string) (*rsa.PrivateKey, error) {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, err
	}
	text, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, writeOwn(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text}))
}

// ownFolder makes a folder that its owner alone may look into.
func ownFolder(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	return os.Chmod(path, 0o700) //nolint:gosec // a folder needs x
}

// readOwn reads a file, unless others may read or write it, too: then its content has to be taken as known.
func readOwn(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" { // where modes say nothing
		return nil, fmt.Errorf("%s has mode %04o, so that others could have read it; allowed is 0600: remove the file to have a new one made, or chmod 600 it", path, mode)
	}
	return os.ReadFile(path)
}

// writeOwn writes a file that its owner alone may read. Readers see the old content or the new.
func writeOwn(path string, content []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), ".new-*") // has mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	_, err = file.Write(content)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}
