package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/datatransferhub/dth/worker/awssim"
	"github.com/datatransferhub/dth/worker/queue"
	"github.com/datatransferhub/dth/worker/s3sim"
)

// servers describes the stand-ins of one measurement. They run in a process of their own, so that their
// CPU and memory are not those of the program that is measured.
type servers struct {
	Latency time.Duration
	Source  storeSpec
	Dest    storeSpec
	AWS     bool // queues and tables too
}

// storeSpec describes one store. Every store has one bucket, named data.
type storeSpec struct {
	Synthetic *s3sim.Synthetic // keys that exist only as arithmetic
	Objects   int              // or objects that exist, in the order of their keys
	Size      int64
	Discard   bool // keep only sizes and sums of what is written
}

const (
	bucketName  = "data"
	queueName   = "work"
	ledgerTable = "ledger"
	runTable    = "runs"
)

// addresses are where the stand-ins are reached.
type addresses struct {
	Source, Dest, AWS, Queue, DeadLetters string
}

// figures are what the stand-ins counted.
type figures struct {
	Source, Dest s3sim.Stats
	AWS          awssim.Stats
	Left         int // messages in the queue, wherever they are
	Records      int // in the ledger
	Stored       int // objects at the destination
}

// serve runs the stand-ins that the first line of in describes and answers every further line with figures,
// until in ends.
func serve(in io.Reader, out io.Writer) error {
	lines := bufio.NewReader(in)
	enc := json.NewEncoder(out)
	var spec servers
	first, err := lines.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("read the description of the stand-ins: %w", err)
	}
	if err := json.Unmarshal(first, &spec); err != nil {
		return fmt.Errorf("read the description of the stand-ins: %w", err)
	}
	source, dest := s3sim.New(s3sim.Options{Latency: spec.Latency}), s3sim.New(destOptions(&spec))
	aws := awssim.New(awssim.Options{})
	defer source.Close()
	defer dest.Close()
	defer aws.Close()
	fill(source, spec.Source)
	fill(dest, spec.Dest)
	var at addresses
	for _, s := range []struct {
		start func() (string, error)
		url   *string
	}{{source.Start, &at.Source}, {dest.Start, &at.Dest}, {aws.Start, &at.AWS}} {
		if *s.url, err = s.start(); err != nil {
			return err
		}
	}
	dead := aws.CreateQueue("dead", awssim.QueueOptions{})
	work := aws.CreateQueue(queueName, awssim.QueueOptions{Visibility: queue.Visibility, MaxReceives: queue.MaxReceives, DeadLetters: dead})
	ledger := aws.CreateTable(ledgerTable, awssim.Index{Hash: "ObjectKey"}, map[string]awssim.Index{"Failures": {Hash: "FailureShard", Range: "ObjectKey"}})
	aws.CreateTable(runTable, awssim.Index{Hash: "PK", Range: "SK"}, nil)
	at.Queue, at.DeadLetters = work.URL(), dead.URL()
	if err := enc.Encode(at); err != nil {
		return err
	}
	for {
		if _, err := lines.ReadBytes('\n'); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		visible, inFlight, delayed := work.Depth()
		f := figures{
			Source: source.Stats(), Dest: dest.Stats(), AWS: aws.Stats(),
			Left: visible + inFlight + delayed, Records: ledger.Len(), Stored: dest.Bucket(bucketName).Len(),
		}
		if err := enc.Encode(f); err != nil {
			return err
		}
	}
}

func destOptions(spec *servers) s3sim.Options {
	o := s3sim.Options{Latency: spec.Latency}
	if spec.Dest.Discard {
		o.Keep = s3sim.KeepSize
	}
	return o
}

func fill(s *s3sim.Sim, spec storeSpec) {
	b := s.Bucket(bucketName)
	if spec.Synthetic != nil {
		b.Fill(*spec.Synthetic)
	}
	for i := range spec.Objects {
		b.PutPattern(objectKey(i), spec.Size, uint64(i))
	}
}

// objectKey names the objects that exist; the floor asks for them by the same names.
func objectKey(i int) string { return fmt.Sprintf("folder-%03d/object-%09d.bin", i/1000, i) }

func runServe() error { return serve(os.Stdin, os.Stdout) }
