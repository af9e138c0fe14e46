package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/datatransferhub/dth/worker/awssim"
	"github.com/datatransferhub/dth/worker/store"
	"github.com/datatransferhub/dth/worker/store/storeaws"
)

// options say how hard it blows.
type options struct {
	seed    uint64
	objects int
	giants  int
	workers int
	storm   time.Duration // how long there is trouble
	kills   time.Duration // between two kills
	stalls  bool          // connections that go silent
	wrong   time.Duration // how long the secret is wrong
	bin     string        // folder of the binaries
	log     io.Writer
}

// world is two stores, the services of a stack, and programs that work on them.
type world struct {
	options options
	dir     string
	secret  string // the canary: it must be in no log and no record
	dice    sync.Mutex
	rand    *rand.Rand // under dice

	aws         *awssim.Sim
	queue, dead *awssim.Queue
	ledger      *awssim.Table
	written     written
	runs        *awssim.Table
	ahead       atomic.Int64   // of the queue's clock
	transport   http.Transport // of this program's own looks at queue and tables
	secrets     *secrets
	gates       [2]*proxy           // in front of source and destination
	ends        [2]*storeaws.Bucket // past the proxies
	config      string
	closers     []func()

	storm  atomic.Bool
	mu     sync.Mutex
	faults map[string]int
	logs   bytes.Buffer // of all programs

	workers []*program
	events  int                        // that were sent; of the one that makes mischief
	began   time.Time                  // of all events: they are of one day
	before  [2]map[string]store.Object // what both ends held before anything was copied
}

func newWorld(o options) (*world, error) {
	dir, err := os.MkdirTemp("", "dth-chaos-")
	if err != nil {
		return nil, err
	}
	r := rand.New(rand.NewPCG(o.seed, 3))
	return &world{options: o, dir: dir, began: time.Now(), secret: fmt.Sprintf("canary%016x%016x", r.Uint64(), r.Uint64()), rand: r, faults: map[string]int{}}, nil
}

func (w *world) close() {
	for _, p := range w.workers {
		p.kill()
	}
	for _, c := range slices.Backward(w.closers) {
		c()
	}
	_ = os.RemoveAll(w.dir)
}

func (w *world) say(format string, args ...any) {
	fmt.Fprintf(w.options.log, "%s "+format+"\n", append([]any{time.Now().UTC().Format("15:04:05")}, args...)...)
}

func (w *world) intN(n int) int {
	w.dice.Lock()
	defer w.dice.Unlock()
	return w.rand.IntN(n)
}

func (w *world) note(kind string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults[kind]++
}

// Write gathers the programs' logs.
func (w *world) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.logs.Write(p)
}

// program is a running jobfinder or jobworker.
type program struct {
	cmd  *exec.Cmd
	done chan struct{}
	code int
}

func (w *world) run(name string, args ...string) (*program, error) {
	cmd := exec.Command(filepath.Join(w.options.bin, name), append([]string{"--config", w.config}, args...)...)
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "AWS_") }),
		"AWS_ENDPOINT_URL="+w.aws.URL(), "AWS_ENDPOINT_URL_SECRETS_MANAGER="+w.secrets.url, "AWS_ENDPOINT_URL_S3="+w.gates[0].url, "AWS_ACCESS_KEY_ID=stack", "AWS_SECRET_ACCESS_KEY="+w.secret,
		"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/nonexistent", "AWS_SHARED_CREDENTIALS_FILE=/nonexistent")
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	p := &program{cmd: cmd, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // the code says it
		p.code = cmd.ProcessState.ExitCode()
		close(p.done)
	}()
	return p, nil
}

func (p *program) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

func (w *world) worker() (*program, error) {
	return w.run("jobworker", "--probe-every", "2s", "--silence", "5s", "--receive-wait", "2s")
}

// mischief goes on while there is trouble: programs are killed, objects change and vanish, the secret is wrong for a while.
func (w *world) mischief(ctx context.Context) error {
	kill := time.NewTicker(w.options.kills)
	defer kill.Stop()
	change := time.NewTicker(w.options.storm / time.Duration(20+w.options.objects/5))
	defer change.Stop()
	giant := time.NewTicker(w.options.storm / time.Duration(w.options.giants+2))
	defer giant.Stop()
	altered := 0
	wrong := time.After(w.options.storm / 3)
	var right <-chan time.Time
	kills := 0
	for {
		select {
		case <-ctx.Done():
			w.secrets.value.Store(w.secretText(w.secret))
			return nil
		case <-kill.C:
			i := w.intN(len(w.workers))
			w.workers[i].kill()
			w.note("kill -9 of a worker")
			var err error
			if w.workers[i], err = w.worker(); err != nil {
				return err
			}
			if kills++; kills%3 == 0 {
				w.ahead.Add(int64(16 * time.Minute)) // what the dead had in hand reappears
			}
		case <-change.C:
			// To its end: what is changed is told of.
			if err := w.alter(context.WithoutCancel(ctx)); err != nil {
				return err
			}
		case <-giant.C:
			if altered < w.options.giants {
				if err := w.alterGiant(context.WithoutCancel(ctx), altered); err != nil {
					return err
				}
				altered++
			}
		case <-wrong:
			w.note("the secret is wrong")
			w.secrets.value.Store(w.secretText("not the right one"))
			right = time.After(w.options.wrong)
		case <-right:
			w.secrets.value.Store(w.secretText(w.secret))
		}
	}
}

// alter overwrites or deletes a source object, and has the store tell of it.
func (w *world) alter(ctx context.Context) error {
	page, err := w.ends[0].List(ctx, store.ListRequest{MaxKeys: 1000})
	if err != nil {
		return fmt.Errorf("choosing an object: %w", err)
	}
	o := page.Objects[w.intN(len(page.Objects))]
	if strings.HasSuffix(o.Key, "/") || strings.HasPrefix(o.Key, giants) {
		return nil
	}
	if w.intN(3) == 0 {
		w.note("source object deleted")
		return w.remove(ctx, o.Key)
	}
	w.note("source object overwritten")
	return w.overwrite(ctx, o.Key, o.Size)
}

// giants begins the keys of the objects that the fleet shares.
const giants = "giant/"

// alterGiant overwrites a giant while its parts are copied; of three or more it deletes the last.
func (w *world) alterGiant(ctx context.Context, i int) error {
	if i >= 2 && i == w.options.giants-1 {
		w.note("giant deleted")
		return w.remove(ctx, fmt.Sprint(giants, i))
	}
	w.note("giant overwritten")
	return w.overwrite(ctx, fmt.Sprint(giants, i), giantSize(i))
}

func giantSize(i int) int64 { return int64(64+i*70)<<20 + int64(i) }

func (w *world) remove(ctx context.Context, key string) error {
	if err := w.ends[0].Delete(ctx, key); err != nil {
		return err
	}
	w.tell("ObjectRemoved:Delete", key, 0, "")
	return nil
}

func (w *world) overwrite(ctx context.Context, key string, size int64) error {
	if err := w.put(ctx, key, size); err != nil {
		return err
	}
	info, err := w.ends[0].Head(ctx, key, "")
	if err != nil {
		return err
	}
	w.tell("ObjectCreated:Put", key, size, info.ETag)
	return nil
}

// tell sends the event of a change, as the store would: sometimes twice.
func (w *world) tell(name, key string, size int64, etag string) {
	w.events++
	object := map[string]any{"key": url.QueryEscape(key), "sequencer": fmt.Sprintf("%016X", w.events)}
	if etag != "" {
		object["size"], object["eTag"] = size, etag
	}
	body, err := json.Marshal(map[string]any{"Records": []any{map[string]any{
		"eventVersion": "2.1", "eventSource": "aws:s3", "eventTime": w.began.UTC().Format("2006-01-02T15:04:05.000Z"), "eventName": name,
		"s3": map[string]any{"bucket": map[string]any{"name": bucket}, "object": object},
	}}})
	if err != nil {
		panic(err) // texts and numbers
	}
	w.note("event")
	w.queue.Send(string(body))
	if w.intN(10) == 0 {
		w.note("event told twice")
		w.queue.Send(string(body))
	}
}

// put writes an object of random content to the source.
func (w *world) put(ctx context.Context, key string, size int64) error {
	body := io.LimitReader(&noise{rand.NewChaCha8([32]byte{byte(w.intN(256)), byte(w.intN(256))})}, size)
	_, err := w.ends[0].Put(ctx, store.PutRequest{Key: key, Body: body, Size: size})
	return err
}

type noise struct{ *rand.ChaCha8 }

// blow runs one pass and its copies with everything going wrong, until the pass is through and the queue empty.
func (w *world) blow(ctx context.Context) error {
	for i := range w.options.giants {
		if err := w.put(ctx, fmt.Sprint(giants, i), giantSize(i)); err != nil {
			return fmt.Errorf("writing a giant: %w", err)
		}
	}
	for i := range w.ends {
		var err error
		if w.before[i], err = keys(ctx, w.ends[i]); err != nil {
			return err
		}
	}
	o := odds{busy: 0.10, reset: 0.02, truncate: 0.01, lost: 0.01, slow: 0.05}
	if w.options.stalls {
		o.stall, o.stallFor = 0.002, 20*time.Second
	}
	w.gates[0].set(o)
	w.gates[1].set(o)
	w.storm.Store(true)
	for range w.options.workers {
		p, err := w.worker()
		if err != nil {
			return err
		}
		w.workers = append(w.workers, p)
	}
	trouble, end := context.WithTimeout(ctx, w.options.storm)
	defer end()
	made := make(chan error, 1)
	go func() { made <- w.mischief(trouble) }()
	var err error
	for n := 1; err == nil && (n == 1 || trouble.Err() == nil); n++ {
		err = w.pass(ctx, fmt.Sprintf("storm-%d", n), trouble)
	}
	if stopErr := <-made; err == nil {
		err = stopErr
	}
	w.storm.Store(false)
	w.gates[0].set(odds{})
	w.gates[1].set(odds{})
	w.say("the storm is over; what it left is worked off")
	return err
}

// pass makes a pass, has it copied, and compares its counters with its records.
func (w *world) pass(ctx context.Context, name string, trouble context.Context) error {
	id, err := w.find(ctx, name, trouble)
	if err == nil {
		err = w.drained(ctx)
	}
	if err == nil {
		err = w.countersEqualLedger(ctx, id)
	}
	return err
}

// find makes one pass and returns its id. A pass that is killed is continued by the next finder; one that failed is over,
// and a new one begins, as the schedule would have it.
func (w *world) find(ctx context.Context, name string, trouble context.Context) (id string, err error) {
	id = name
	for n := 1; ctx.Err() == nil; n++ {
		p, err := w.run("jobfinder", "--run-id", id, "--force")
		if err != nil {
			return id, err
		}
		fate := time.After(time.Hour)
		if trouble != nil && trouble.Err() == nil && n <= 3 {
			fate = time.After(time.Duration(200+w.intN(1500)) * time.Millisecond)
		}
		select {
		case <-p.done:
		case <-fate:
			p.kill()
			w.note("kill -9 of the finder")
		}
		switch {
		case p.code == 0:
			return id, nil
		case p.code > 0:
			w.note(fmt.Sprintf("pass failed with exit code %d", p.code))
			id = fmt.Sprintf("%s-again-%d", name, n)
		}
		sleep(ctx, time.Second)
		if n > 100 {
			return id, errors.New("the finder does not get through")
		}
	}
	return id, ctx.Err()
}

// drained waits until the queue is empty and no upload is on record. When nothing moves, messages that the dead had in hand
// reappear, as they would after fifteen minutes.
func (w *world) drained(ctx context.Context) error {
	quiet := 0
	var seen [4]int
	moved, said := time.Now(), time.Now()
	for ctx.Err() == nil {
		visible, flying, delayed := w.queue.Depth()
		now := [4]int{visible, flying, delayed, w.openUploads()}
		if now == [4]int{} {
			if quiet++; quiet > 5 {
				return nil
			}
		} else {
			quiet = 0
		}
		if now != seen {
			seen, moved = now, time.Now()
		}
		if time.Since(moved) > 8*time.Second {
			moved = time.Now()
			w.ahead.Add(int64(16 * time.Minute))
		}
		if time.Since(said) > 10*time.Second {
			said = time.Now()
			w.say("%d messages wait, %d are in hand, %d come later; %d uploads are open", visible, flying, delayed, now[3])
		}
		sleep(ctx, 100*time.Millisecond)
	}
	return fmt.Errorf("the queue did not drain: %d visible, %d in flight, %d delayed; %d uploads on record: %w", seen[0], seen[1], seen[2], seen[3], ctx.Err())
}

func (w *world) openUploads() (n int) {
	w.runs.Items(func(raw []byte) bool {
		if bytes.Contains(raw, []byte(`"UPLOADS"`)) {
			n++
		}
		return true
	})
	return n
}

// calm looks at what one worker holds after all that, and stops the others gently.
func (w *world) calm() error {
	all := w.idle(w.workers[0])
	for _, p := range w.workers[1:] {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.done:
			if p.code != 143 {
				all = errors.Join(all, fmt.Errorf("a worker ended with code %d on SIGTERM", p.code))
			}
		case <-time.After(2 * time.Minute):
			p.kill()
			all = errors.Join(all, errors.New("a worker did not end within two minutes of SIGTERM"))
		}
	}
	w.workers = nil
	return all
}

// mostIdle is how many goroutines a worker without work may have, those of idle connections aside: its receivers and loops. Each
// object or part under way has several.
const mostIdle = 80

// idle has a worker without work tell what its goroutines do, upon which it ends.
func (w *world) idle(p *program) error {
	w.mu.Lock()
	from := w.logs.Len()
	w.mu.Unlock()
	_ = p.cmd.Process.Signal(syscall.SIGQUIT) // the runtime of Go answers with all stacks
	select {
	case <-p.done:
	case <-time.After(time.Minute):
		p.kill()
		return errors.New("a worker did not tell of its goroutines")
	}
	w.mu.Lock()
	text := string(w.logs.Bytes()[from:])
	w.mu.Unlock()
	goroutines, connections := 0, 0
	for _, stack := range strings.Split(text, "\n\n") {
		switch {
		case !strings.Contains(stack, "goroutine "):
		case strings.Contains(stack, "net/http.(*persistConn)"):
			connections++
		default:
			goroutines++
		}
	}
	w.say("a worker without work has %d goroutines, and %d of idle connections", goroutines, connections)
	if goroutines == 0 || goroutines > mostIdle {
		return fmt.Errorf("a worker without work has %d goroutines, allowed are 1 to %d", goroutines, mostIdle)
	}
	return nil
}
