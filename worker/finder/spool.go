package finder

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// spool keeps records until they are wanted: a few in memory, more in a temporary file. It is not safe for use by
// several goroutines.
type spool struct {
	dir   string
	count int64
	mem   bytes.Buffer
	file  *os.File
}

// spoolMemory is how many bytes stay in memory.
const spoolMemory = 64 << 10

func (s *spool) add(record []byte) error {
	var length [binary.MaxVarintLen64]byte
	s.mem.Write(length[:binary.PutUvarint(length[:], uint64(len(record)))])
	s.mem.Write(record)
	s.count++
	if s.mem.Len() < spoolMemory {
		return nil
	}
	return s.spill()
}

func (s *spool) spill() error {
	if s.file == nil {
		f, err := os.CreateTemp(s.dir, "dth-spool-")
		if err != nil {
			return fmt.Errorf("a place to keep decisions: %w", err)
		}
		s.file = f
		// The open file is all that is needed; without its name nothing is left behind by a crash.
		if err := os.Remove(f.Name()); err != nil {
			return fmt.Errorf("a place to keep decisions: %w", err)
		}
	}
	_, err := s.mem.WriteTo(s.file)
	if err != nil {
		return fmt.Errorf("keeping decisions on disk: %w", err)
	}
	return nil
}

// reader returns the records' bytes from the first one on. Nothing may be added after it.
func (s *spool) reader() (io.Reader, error) {
	if s.file == nil {
		return bytes.NewReader(s.mem.Bytes()), nil
	}
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("reading kept decisions: %w", err)
	}
	return io.MultiReader(s.file, bytes.NewReader(s.mem.Bytes())), nil
}

// each calls f with every record. A record is valid during the call.
func (s *spool) each(f func(record []byte) error) error {
	r, err := s.reader()
	if err != nil {
		return err
	}
	b := bufio.NewReaderSize(r, 64<<10)
	var record []byte
	for {
		n, err := binary.ReadUvarint(b)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			if uint64(cap(record)) < n {
				record = make([]byte, n, 2*n)
			}
			record = record[:n]
			_, err = io.ReadFull(b, record)
		}
		if err != nil {
			return fmt.Errorf("reading kept decisions: %w", err)
		}
		if err := f(record); err != nil {
			return err
		}
	}
}

// take moves all records of another spool here.
func (s *spool) take(from *spool) error {
	err := from.each(s.add)
	return errors.Join(err, from.close())
}

func (s *spool) close() error {
	s.mem = bytes.Buffer{}
	if s.file == nil {
		return nil
	}
	f := s.file
	s.file = nil
	return f.Close()
}
