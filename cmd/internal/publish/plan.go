package publish

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"
)

// Stored is what a store tells of an object.
type Stored struct {
	Size   int64
	SHA256 string // lower-case hex, computed by the store; "" where it keeps none
}

// Object is what is written.
type Object struct {
	Key         string
	Content     []byte
	SHA256      string // lower-case hex
	ContentType string
	// New objects must not be there yet: the store refuses to replace one, so that of two people who publish at once one fails.
	New bool
}

// Store is a bucket that a release goes into.
type Store interface {
	// Look returns what is stored under a key; false when nothing is.
	Look(ctx context.Context, key string) (Stored, bool, error)
	// Get returns an object's content.
	Get(ctx context.Context, key string) ([]byte, error)
	// Put writes an object. The store compares the content with its hash before it keeps it.
	Put(ctx context.Context, o Object) error
}

// Target is one region's bucket.
type Target struct {
	Region, Bucket string
	Store          Store
}

// State says what has to be done with a file in a bucket.
type State string

// The states.
const (
	Missing  State = "upload"   // not there yet
	Same     State = "same"     // there, with this content
	Conflict State = "conflict" // there, with other content
	Replace  State = "replace"  // under latest/, of an older version
	Newer    State = "newer"    // under latest/, where a newer version stays
)

// Step is one file in one bucket.
type Step struct {
	Target Target
	State  State
	Object Object
}

// Plan is what publishing a release would do, in the order in which it is done in each bucket.
type Plan struct {
	Release *Release
	Steps   []Step
}

// atOnce is how many buckets are worked on at a time.
const atOnce = 4

// Look compares a release with what the buckets hold. Nothing is written.
func Look(ctx context.Context, r *Release, targets []Target) (*Plan, error) {
	found := make([][]Step, len(targets))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i, t := range targets {
		g.Go(func() (err error) {
			found[i], err = lookAt(ctx, r, t)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	p := &Plan{Release: r}
	for _, steps := range found {
		p.Steps = append(p.Steps, steps...)
	}
	return p, nil
}

func lookAt(ctx context.Context, r *Release, t Target) ([]Step, error) {
	var steps []Step
	for _, f := range r.Files {
		o := Object{Key: Prefix(r.Version.String()) + f.Name, Content: f.Content, SHA256: f.SHA256, ContentType: f.ContentType, New: true}
		same, there, err := holds(ctx, t.Store, o)
		if err != nil {
			return nil, fmt.Errorf("looking at %s in bucket %s: %w", o.Key, t.Bucket, err)
		}
		state := Missing
		switch {
		case same:
			state = Same
		case there:
			state = Conflict
		}
		steps = append(steps, Step{t, state, o})
	}
	latest, err := lookAtLatest(ctx, r, t)
	return append(steps, latest...), err
}

// lookAtLatest plans the copies under latest/: templates, then the version. A version before the one that is there leaves
// them alone, and so does a release candidate.
func lookAtLatest(ctx context.Context, r *Release, t Target) ([]Step, error) {
	if r.Version.Prerelease() != "" {
		return nil, nil
	}
	older, err := newerThanLatest(ctx, r, t)
	if err != nil {
		return nil, err
	}
	var steps []Step
	for _, f := range append(templatesOf(r), latestFile(r)) {
		o := Object{Key: Prefix(latestFolder) + f.Name, Content: f.Content, SHA256: f.SHA256, ContentType: f.ContentType}
		state := Newer
		if older {
			same, there, err := holds(ctx, t.Store, o)
			if err != nil {
				return nil, fmt.Errorf("looking at %s in bucket %s: %w", o.Key, t.Bucket, err)
			}
			switch {
			case same:
				state = Same
			case there:
				state = Replace
			default:
				state = Missing
			}
		}
		steps = append(steps, Step{t, state, o})
	}
	return steps, nil
}

// newerThanLatest reports whether the version that a bucket calls the latest is this one or an older one, or none.
func newerThanLatest(ctx context.Context, r *Release, t Target) (bool, error) {
	key := Prefix(latestFolder) + latestName
	_, there, err := t.Store.Look(ctx, key)
	if err != nil || !there {
		return true, err
	}
	content, err := t.Store.Get(ctx, key)
	if err != nil {
		return false, fmt.Errorf("reading %s of bucket %s: %w", key, t.Bucket, err)
	}
	v, err := ParseVersion(strings.TrimSpace(string(content)))
	if err != nil {
		return false, fmt.Errorf("%s of bucket %s: %w; remove the object if nobody needs it", key, t.Bucket, err)
	}
	return !v.GreaterThan(r.Version), nil
}

func templatesOf(r *Release) (out []File) {
	for _, f := range r.Files {
		if strings.HasSuffix(f.Name, templateSuffix) {
			out = append(out, f)
		}
	}
	return out
}

func latestFile(r *Release) File {
	one := &Release{}
	one.add(latestName, []byte(r.Version.String()+"\n"))
	return one.Files[0]
}

// holds reports whether an object is stored, and whether it is with this content. A store that keeps no hash has its
// object read.
func holds(ctx context.Context, s Store, o Object) (same, there bool, err error) {
	is, there, err := s.Look(ctx, o.Key)
	if err != nil || !there || is.Size != int64(len(o.Content)) {
		return false, there, err
	}
	if is.SHA256 == "" {
		content, err := s.Get(ctx, o.Key)
		if err != nil {
			return false, true, err
		}
		sum := sha256.Sum256(content)
		is.SHA256 = hex.EncodeToString(sum[:])
	}
	return is.SHA256 == o.SHA256, true, nil
}

// Conflicts returns the steps that would change a released file.
func (p *Plan) Conflicts() (out []Step) {
	for _, s := range p.Steps {
		if s.State == Conflict {
			out = append(out, s)
		}
	}
	return out
}

// ConflictError says that a version is there already, with other content.
type ConflictError struct {
	Version string
	Files   []string // bucket and key of each
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("version %s is published with other content and stays as it is: %s. Publish under a new version; "+
		"two builds of one commit give the same files (make release)", e.Version, strings.Join(e.Files, ", "))
}

// Run uploads what is missing, reads back what every bucket holds, and only then moves latest/. done is called after each
// object, from several goroutines. With a conflict anywhere, nothing is written anywhere.
func (p *Plan) Run(ctx context.Context, done func(Step)) error {
	if conflicts := p.Conflicts(); len(conflicts) > 0 {
		e := &ConflictError{Version: p.Release.Version.String()}
		for _, s := range conflicts {
			e.Files = append(e.Files, s.Target.Bucket+"/"+s.Object.Key)
		}
		return e
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, steps := range p.byBucket() {
		g.Go(func() error { return runIn(ctx, steps, done) })
	}
	return g.Wait()
}

func (p *Plan) byBucket() (out [][]Step) {
	for i, s := range p.Steps {
		if i == 0 || s.Target.Bucket != p.Steps[i-1].Target.Bucket {
			out = append(out, nil)
		}
		out[len(out)-1] = append(out[len(out)-1], s)
	}
	return out
}

// runIn publishes in one bucket: the version's files, the look at all of them, then latest/.
func runIn(ctx context.Context, steps []Step, done func(Step)) error {
	n := len(steps)
	for i, s := range steps {
		if !s.Object.New {
			n = i
			break
		}
	}
	for _, part := range [][]Step{steps[:n], steps[n:]} {
		for _, s := range part {
			if s.State == Missing || s.State == Replace {
				if err := s.Target.Store.Put(ctx, s.Object); err != nil {
					return fmt.Errorf("writing %s to bucket %s: %w", s.Object.Key, s.Target.Bucket, err)
				}
			}
			done(s)
		}
		if err := verify(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

// verify looks at everything that has to be there, also at what was there before.
func verify(ctx context.Context, steps []Step) error {
	var errs []error
	for _, s := range steps {
		if s.State == Newer {
			continue
		}
		same, there, err := holds(ctx, s.Target.Store, s.Object)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("verifying %s in bucket %s: %w", s.Object.Key, s.Target.Bucket, err))
		case !there:
			errs = append(errs, fmt.Errorf("verifying: %s is not in bucket %s after its upload", s.Object.Key, s.Target.Bucket))
		case !same:
			errs = append(errs, fmt.Errorf("verifying: %s in bucket %s holds something else than was uploaded; remove it and publish again", s.Object.Key, s.Target.Bucket))
		}
	}
	return errors.Join(errs...)
}
