//go:build !linux && !darwin

package doctor

func freeSpace(string) (bytes int64, known bool) { return 0, false }

func fileLimit() (files uint64, known bool) { return 0, false }
