package finder

import (
	"context"
	"fmt"
	"io"

	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/store"
)

// Getter reads objects of a bucket.
type Getter interface {
	Get(ctx context.Context, r store.GetRequest) (*store.Body, error)
}

// maxPrefixFile bounds a prefix list, in bytes: some hundred thousand prefixes.
const maxPrefixFile = 64 << 20

// Prefixes returns the prefixes of source keys that the job selects, merged. A prefix list that cannot be read is an
// error before anything is listed. file is the bucket that holds the list.
func Prefixes(ctx context.Context, j *job.Job, file Getter) ([]string, error) {
	prefixes := j.Selection.Prefixes
	if key := j.Selection.PrefixFileKey; key != "" {
		text, err := readPrefixFile(ctx, file, key)
		if err != nil {
			return nil, fmt.Errorf("srcPrefixsListFile %s: %w", key, err)
		}
		if prefixes, err = job.ParsePrefixes(text); err != nil {
			return nil, fmt.Errorf("srcPrefixsListFile %s: %w", key, err)
		}
		if len(prefixes) == 0 {
			return nil, fmt.Errorf("srcPrefixsListFile %s holds no prefix; put one on each line", key)
		}
	}
	if len(prefixes) > 0 {
		return job.MergePrefixes(prefixes), nil
	}
	return []string{j.Source.Prefix}, nil
}

func (c *Config) prefixes(ctx context.Context) ([]string, error) {
	file := c.PrefixFile
	if file == nil {
		file = c.Source
		if b := c.Job.Selection.PrefixFileBucket; c.Job.Selection.PrefixFileKey != "" && b != "" && b != c.Job.Source.Bucket {
			return nil, fmt.Errorf("srcPrefixListBucket %s: nothing was given to read that bucket with", b)
		}
	}
	return Prefixes(ctx, c.Job, file)
}

func readPrefixFile(ctx context.Context, from Getter, key string) (string, error) {
	body, err := from.Get(ctx, store.GetRequest{Key: key})
	if err != nil {
		return "", err
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, maxPrefixFile+1))
	if err == nil && len(text) > maxPrefixFile {
		err = fmt.Errorf("the list is larger than %d bytes", maxPrefixFile)
	}
	return string(text), err
}
