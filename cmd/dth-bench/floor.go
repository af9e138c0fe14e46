package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
)

// The floor is what the requests cost by themselves: net/http, no signature, no sums, no decision.

// runFloor is the subcommand that is measured.
func runFloor(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("floor", flag.ContinueOnError)
	src, dst := fs.String("src", "", "address of the source"), fs.String("dst", "", "address of the destination")
	count, size := fs.Int("count", 0, "objects to copy"), fs.Int64("size", 0, "bytes of each")
	concurrency := fs.Int("concurrency", 64, "requests at once")
	list := fs.Bool("list", false, "list both sides in place of copying")
	if err := fs.Parse(args); err != nil {
		return err
	}
	t := &http.Transport{
		MaxIdleConnsPerHost: *concurrency, MaxConnsPerHost: *concurrency, DisableCompression: true,
		ReadBufferSize: 4 << 10, WriteBufferSize: 4 << 10,
	}
	if *size >= 1<<20 {
		t.ReadBufferSize, t.WriteBufferSize = 256<<10, 256<<10
	}
	c := &floorClient{transport: t}
	if *list {
		return both(func() error { return c.list(ctx, *src) }, func() error { return c.list(ctx, *dst) })
	}
	return c.copyAll(ctx, *src, *dst, *count, *size, *concurrency)
}

func both(f, g func() error) error {
	done := make(chan error, 1)
	go func() { done <- g() }()
	err := f()
	if second := <-done; err == nil {
		err = second
	}
	return err
}

type floorClient struct{ transport *http.Transport }

// send returns the answer of a request; another status than 2xx is an error.
func (c *floorClient) send(ctx context.Context, method, address string, body io.Reader, size int64) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.ContentLength = size
	}
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 != 2 {
		resp.Body.Close()
		return nil, fmt.Errorf("%s %s: %s", method, address, resp.Status)
	}
	return resp, nil
}

// list pages a bucket to its end, one page after the other.
func (c *floorClient) list(ctx context.Context, endpoint string) error {
	token := ""
	var page bytes.Buffer
	for {
		address := endpoint + "/" + bucketName + "?list-type=2&encoding-type=url"
		if token != "" {
			address += "&continuation-token=" + url.QueryEscape(token)
		}
		resp, err := c.send(ctx, http.MethodGet, address, nil, 0)
		if err != nil {
			return err
		}
		page.Reset()
		_, err = page.ReadFrom(resp.Body)
		resp.Body.Close()
		if err != nil {
			return err
		}
		const open, end = "<NextContinuationToken>", "</NextContinuationToken>"
		from := bytes.Index(page.Bytes(), []byte(open))
		if from < 0 {
			return nil
		}
		rest := page.Bytes()[from+len(open):]
		to := bytes.Index(rest, []byte(end))
		if to < 0 {
			return fmt.Errorf("a page of %s broke off", endpoint)
		}
		token = html.UnescapeString(string(rest[:to]))
	}
}

func (c *floorClient) copyAll(ctx context.Context, src, dst string, count int, size int64, concurrency int) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range concurrency {
		wg.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= count {
					return
				}
				if err := c.copyOne(ctx, src, dst, objectKey(i), size); err != nil {
					cancel(err)
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

func (c *floorClient) copyOne(ctx context.Context, src, dst, key string, size int64) error {
	path := "/" + bucketName + "/" + key
	get, err := c.send(ctx, http.MethodGet, src+path, nil, 0)
	if err != nil {
		return err
	}
	defer get.Body.Close()
	if get.ContentLength != size {
		return fmt.Errorf("%s has %d bytes, expected %s", key, get.ContentLength, strconv.FormatInt(size, 10))
	}
	put, err := c.send(ctx, http.MethodPut, dst+path, get.Body, size)
	if err != nil {
		return err
	}
	return put.Body.Close()
}
