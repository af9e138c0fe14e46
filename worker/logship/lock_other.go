//go:build !unix

package logship

// lockFolder does nothing where the system has no such lock.
func lockFolder(string) (unlock func(), err error) { return func() {}, nil }
