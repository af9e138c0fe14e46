// Command dth-sample runs the servers of the sample, and fills them. It is a helper of `dth local
// --sample` and of the tests, in a Go module of its own so that the servers' dependencies never reach
// the product.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/datatransferhub/dth/cmd/dth-sample/gateway"
	"github.com/datatransferhub/dth/cmd/dth-sample/images"
	"github.com/datatransferhub/dth/cmd/dth-sample/sample"
	"github.com/datatransferhub/dth/cmd/dth-sample/sampleaws"
)

// version is set when the binary is linked.
var version = "dev"

// secretVariable names the environment variable that holds the secret key. It is never an argument:
// arguments can be read by every user of a machine.
const secretVariable = "DTH_SAMPLE_SECRET"

const usage = `usage:
  dth-sample serve s3 --data DIR --listen 127.0.0.1:PORT --access KEY
      Runs one S3 server over DIR. Prints one line of JSON with its URL when it answers, and ends on
      SIGTERM, when its standard input (if that is a pipe) closes, or when its parent is gone.
  dth-sample fill --url URL --bucket NAME --access KEY [--part source|destination]
      Makes the bucket and puts the sample's objects into it. Prints one line of JSON.
  dth-sample serve registry --data DIR --listen 127.0.0.1:PORT [--user NAME] [--certificate FILE --key FILE]
      The same for a container registry. With a user it asks for a password: the secret.
  dth-sample fill-images --registry HOST
      Puts the sample's images into a registry without sign-in. Prints one line of JSON.
  dth-sample version

The secret key comes from the environment variable ` + secretVariable + `.
`

// errUsage asks for the usage text; what was wrong is in the error that wraps it.
var errUsage = errors.New("see the usage below")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		fmt.Fprintf(os.Stderr, "dth-sample: %v\n%s", err, usage)
		os.Exit(2)
	default:
		fmt.Fprintf(os.Stderr, "dth-sample: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) >= 2 && args[0] == "serve" && args[1] == "s3":
		return serve(ctx, args[2:])
	case len(args) >= 2 && args[0] == "serve" && args[1] == "registry":
		return serveRegistry(ctx, args[2:])
	case len(args) >= 1 && args[0] == "fill-images":
		return fillImages(ctx, args[1:], os.Stdout)
	case len(args) >= 1 && args[0] == "fill":
		return fill(ctx, args[1:], os.Stdout)
	case len(args) == 1 && args[0] == "version":
		fmt.Println(version)
		return nil
	case len(args) == 1 && (args[0] == "help" || args[0] == "--help" || args[0] == "-h"):
		fmt.Print(usage)
		return nil
	}
	return fmt.Errorf("unknown command: %w", errUsage)
}

func serve(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("serve s3", flag.ContinueOnError)
	cfg := gateway.Config{}
	flags.StringVar(&cfg.Dir, "data", "", "directory that holds the objects; made when missing")
	flags.StringVar(&cfg.Listen, "listen", "127.0.0.1:0", "loopback address; port 0 takes a free one")
	flags.StringVar(&cfg.Access, "access", "", "access key")
	flags.StringVar(&cfg.Region, "region", "us-east-1", "region that requests are signed for")
	if err := parse(flags, args, "data", "access"); err != nil {
		return err
	}
	var err error
	if cfg.Secret, err = secret(); err != nil {
		return err
	}

	ctx, cancel, out := standing(ctx)
	defer cancel()
	return gateway.Serve(ctx, cfg, func(ready gateway.Ready) {
		if ready.Metadata != "xattr" {
			fmt.Fprintf(os.Stderr, "dth-sample: the file system of %s keeps no extended attributes; "+
				"headers, tags and checksums are kept in files beside the objects, which is slower\n", cfg.Dir)
		}
		if err := json.NewEncoder(out).Encode(ready); err != nil {
			cancel() // nobody listens any more
		}
	})
}

// standing prepares a process that serves. Standard output carries the ready line and nothing else: the server's own prints go to
// stderr. The context ends when nobody wants the server any more.
func standing(ctx context.Context) (context.Context, context.CancelFunc, *os.File) {
	out := os.Stdout
	os.Stdout = os.Stderr
	ctx, cancel := context.WithCancel(ctx)
	go awaitOrphaned(ctx, cancel)
	return ctx, cancel, out
}

func serveRegistry(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("serve registry", flag.ContinueOnError)
	cfg := images.Config{}
	flags.StringVar(&cfg.Dir, "data", "", "directory that holds the images; made when missing")
	flags.StringVar(&cfg.Listen, "listen", "127.0.0.1:0", "loopback address; port 0 takes a free one")
	flags.StringVar(&cfg.User, "user", "", "who may sign in; empty: anybody may read and write")
	flags.StringVar(&cfg.Certificate, "certificate", "", "PEM file; with --key: serve by TLS")
	flags.StringVar(&cfg.Key, "key", "", "PEM file")
	if err := parse(flags, args, "data"); err != nil {
		return err
	}
	if (cfg.Certificate == "") != (cfg.Key == "") {
		return fmt.Errorf("--certificate goes with --key: %w", errUsage)
	}
	var err error
	if cfg.User != "" {
		if cfg.Secret, err = secret(); err != nil {
			return err
		}
	}
	ctx, cancel, out := standing(ctx)
	defer cancel()
	return images.Serve(ctx, cfg, func(ready images.Ready) {
		if err := json.NewEncoder(out).Encode(ready); err != nil {
			cancel() // nobody listens any more
		}
	})
}

func fillImages(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("fill-images", flag.ContinueOnError)
	host := flags.String("registry", "", "host and port of the registry")
	if err := parse(flags, args, "registry"); err != nil {
		return err
	}
	filled, err := images.Fill(ctx, *host)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(filled)
}

// fillResult is what a fill prints.
type fillResult struct {
	sampleaws.Counts
	Bucket  string  `json:"bucket"`
	Objects int     `json:"objects"`
	Bytes   int64   `json:"bytes"`
	Giant   string  `json:"giant,omitempty"`   // key of the largest object
	Refused string  `json:"refused,omitempty"` // key that the sample's destination cannot take
	Blocker string  `json:"blocker,omitempty"` // key that makes it so
	Seconds float64 `json:"seconds"`
}

func fill(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("fill", flag.ContinueOnError)
	var (
		end     sampleaws.Endpoint
		options sample.Options
		bucket  = flags.String("bucket", "", "bucket to fill; made when missing")
		part    = flags.String("part", "source", "source: the sample; destination: the one object that stands in the way there")
	)
	flags.StringVar(&end.URL, "url", "", "URL of the server")
	flags.StringVar(&end.Region, "region", "us-east-1", "region of the server")
	flags.StringVar(&end.Access, "access", "", "access key")
	flags.Uint64Var(&options.Seed, "seed", 1, "the same seed gives the same objects")
	flags.IntVar(&options.Count, "objects", 3000, "objects in all")
	flags.Int64Var(&options.Giant, "giant", 64<<20, "size of the giant in bytes; 0: none")
	if err := parse(flags, args, "url", "bucket", "access"); err != nil {
		return err
	}
	var err error
	if end.Secret, err = secret(); err != nil {
		return err
	}
	result := fillResult{Bucket: *bucket}
	var objects []sample.Object
	switch *part {
	case "source":
		if objects, err = sample.Objects(options); err != nil {
			return err
		}
		result.Refused = sample.Refused
		if options.Giant > 0 {
			result.Giant = sample.Giant
		}
	case "destination":
		objects, result.Blocker = []sample.Object{sample.Obstacle(options.Seed)}, sample.Blocker
	default:
		return fmt.Errorf("--part %q: source or destination: %w", *part, errUsage)
	}
	for i := range objects {
		result.Bytes += objects[i].Size
	}
	result.Objects = len(objects)
	started := time.Now()
	result.Counts, err = sampleaws.NewFiller(end, *bucket).Fill(ctx, objects)
	if err != nil {
		return err
	}
	result.Seconds = time.Since(started).Seconds()
	return json.NewEncoder(out).Encode(result)
}

// parse reads the flags and names the first required one that is missing.
func parse(flags *flag.FlagSet, args []string, required ...string) error {
	flags.SetOutput(io.Discard)
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Print(usage)
			return err
		}
		return fmt.Errorf("%s: %w: %w", flags.Name(), err, errUsage)
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%s: unexpected argument %q: %w", flags.Name(), flags.Arg(0), errUsage)
	}
	for _, name := range required {
		if flags.Lookup(name).Value.String() == "" {
			return fmt.Errorf("%s: --%s is required: %w", flags.Name(), name, errUsage)
		}
	}
	return nil
}

func secret() (string, error) {
	value := os.Getenv(secretVariable)
	if value == "" {
		return "", fmt.Errorf("the environment variable %s is empty; it holds the secret key", secretVariable)
	}
	return value, nil
}
