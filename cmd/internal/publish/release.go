// Package publish puts a release where people launch it from: the same files in one bucket a region, proved after the
// upload, never changed afterwards.
package publish

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
)

const (
	// KeyPrefix is put in front of the keys of all released files; the version follows.
	KeyPrefix = "data-transfer-hub"
	// SumsName is the file that lists the hashes of all others, in the format of sha256sum. It is written last: a version
	// that has it is whole.
	SumsName = "SHA256SUMS"

	latestFolder = "latest"
	latestName   = "VERSION"
)

// File is a released file.
type File struct {
	Name        string // below the version's prefix
	Content     []byte
	SHA256      string // of the content, lower-case hex
	ContentType string
}

// Release is everything that one version publishes; the same for every bucket.
type Release struct {
	BucketPrefix string
	Version      *semver.Version
	Files        []File // by name, SumsName last
}

// Bucket returns the name of a region's bucket.
func Bucket(prefix, region string) string { return prefix + "-" + region }

// Prefix returns what the keys of a version begin with, with a slash at the end.
func Prefix(version string) string { return path.Join(KeyPrefix, version) + "/" }

// bucketPrefixForm leaves room for a hyphen and the longest region name in the 63 characters of a bucket's name.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html; a dot would break the host's certificate.
var bucketPrefixForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,45}[a-z0-9]$`)

// CheckBucketPrefix refuses what cannot begin a bucket's name.
func CheckBucketPrefix(prefix string) error {
	if !bucketPrefixForm.MatchString(prefix) {
		return fmt.Errorf("bucket prefix %q: allowed are 3 to 47 lower-case letters, digits and hyphens; the region is put behind it", prefix)
	}
	return nil
}

// ParseVersion reads a version such as 1.2.3 or 1.2.3-rc.1.
func ParseVersion(text string) (*semver.Version, error) {
	v, err := semver.StrictNewVersion(text)
	if err != nil || v.Metadata() != "" {
		return nil, fmt.Errorf("version %q: allowed are semantic versions such as 1.2.3 and 1.2.3-rc.1", text)
	}
	return v, nil
}

// Read collects a release from the folder that `make release` filled: templates/, engine/ and the assets that cdk/ lists.
// An empty version means the one that the templates were written for. Errors name every file that is missing or does not
// fit the others.
func Read(dist, bucketPrefix, version string) (*Release, error) {
	if err := CheckBucketPrefix(bucketPrefix); err != nil {
		return nil, err
	}
	templates, err := readTemplates(dist)
	if err != nil {
		return nil, err
	}
	if version == "" {
		if version, err = writtenFor(templates); err != nil {
			return nil, err
		}
	}
	v, err := ParseVersion(version)
	if err != nil {
		return nil, err
	}
	r := &Release{BucketPrefix: bucketPrefix, Version: v}
	for _, name := range slices.Sorted(maps.Keys(templates)) {
		content, err := rebase(templates[name], bucketPrefix, path.Join(KeyPrefix, v.String()))
		if err != nil {
			return nil, fmt.Errorf("template %s: %w", name, err)
		}
		r.add(name, content)
	}
	if err := errors.Join(r.addAssets(dist), r.addFolder(filepath.Join(dist, "engine")), r.addConsole(dist), r.addNotices(dist)); err != nil {
		return nil, err
	}
	if err := r.consistent(); err != nil {
		return nil, err
	}
	slices.SortFunc(r.Files, func(a, b File) int { return cmp.Compare(a.Name, b.Name) })
	r.add(SumsName, r.sums())
	return r, nil
}

// readTemplates returns the templates by file name.
func readTemplates(dist string) (map[string][]byte, error) {
	names, err := filepath.Glob(filepath.Join(dist, "templates", "*"+templateSuffix))
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s holds no templates; make release writes them", filepath.Join(dist, "templates"))
	}
	out := map[string][]byte{}
	for _, name := range names {
		if out[filepath.Base(name)], err = os.ReadFile(name); err != nil {
			return nil, err
		}
	}
	return out, nil
}

const templateSuffix = ".template"

// writtenFor returns the version that the templates name. That all name the same is checked by rebase.
func writtenFor(templates map[string][]byte) (string, error) {
	name := slices.Sorted(maps.Keys(templates))[0]
	key, err := textAt(templates[name], keyPrefixAt)
	if err != nil {
		return "", fmt.Errorf("template %s: %w", name, err)
	}
	return versionOf(key.value), nil
}

func versionOf(keyPrefix string) string { return strings.TrimPrefix(keyPrefix, KeyPrefix+"/") }

func (r *Release) add(name string, content []byte) {
	sum := sha256.Sum256(content)
	r.Files = append(r.Files, File{Name: name, Content: content, SHA256: hex.EncodeToString(sum[:]), ContentType: contentType(name)})
}

func contentType(name string) string {
	switch path.Ext(name) {
	case templateSuffix:
		return "application/json"
	case ".zip":
		return "application/zip"
	case ".txt":
		return "text/plain; charset=utf-8"
	}
	if name == SumsName || name == latestName {
		return "text/plain; charset=utf-8"
	}
	return "application/octet-stream"
}

// manifest is the part of the CDK's list of assets that is needed.
// https://docs.aws.amazon.com/cdk/v2/guide/assets.html
type manifest struct {
	Files map[string]struct {
		Source struct {
			Path      string `json:"path"`
			Packaging string `json:"packaging"` // zip: a folder to be packed; file
		} `json:"source"`
		Destinations map[string]struct {
			ObjectKey string `json:"objectKey"`
		} `json:"destinations"`
	} `json:"files"`
}

// addAssets adds the files that the templates refer to by hash: Lambda zips, and whatever else the app lists.
func (r *Release) addAssets(dist string) error {
	lists, err := filepath.Glob(filepath.Join(dist, "cdk", "*.assets.json"))
	if err != nil {
		return err
	}
	found := map[string][]byte{}
	for _, list := range lists {
		if err := readAssets(list, found); err != nil {
			return fmt.Errorf("assets of %s: %w", list, err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		r.add(name, found[name])
	}
	return nil
}

// readAssets adds the files of one list to found, by name.
func readAssets(list string, found map[string][]byte) error {
	raw, err := os.ReadFile(list)
	if err != nil {
		return err
	}
	var m manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return err
	}
	for _, asset := range m.Files {
		if strings.HasSuffix(asset.Source.Path, ".template.json") {
			continue // the templates themselves have names of their own
		}
		source := asset.Source.Path
		if !filepath.IsAbs(source) {
			source = filepath.Join(filepath.Dir(list), source)
		}
		content, err := packed(source, asset.Source.Packaging)
		if err != nil {
			return err
		}
		for _, to := range asset.Destinations {
			found[path.Base(to.ObjectKey)] = content
		}
	}
	return nil
}

func packed(source, packaging string) ([]byte, error) {
	switch packaging {
	case "zip":
		return zipFolder(source)
	case "file":
		return os.ReadFile(source)
	}
	return nil, fmt.Errorf("%s: packaging %q is unknown; allowed are zip and file", source, packaging)
}

// addFolder adds the files of a folder under their own names.
func (r *Release) addFolder(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // what must be there is known by the templates
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			return err
		}
		r.add(entry.Name(), content)
	}
	return nil
}

// consoleFolder holds the built console in the folder of a release; `make release` copies web/dist to it.
const consoleFolder = "console"

// hubTemplates begins the names of the templates whose stacks unpack the console.
const hubTemplates = "DataTransferHub-"

// addConsole adds the console's files as one zip, which a hub unpacks into its bucket. A release with the hub's templates is
// none without it.
func (r *Release) addConsole(dist string) error {
	dir := filepath.Join(dist, consoleFolder)
	if _, err := os.Stat(filepath.Join(dir, "index.html")); errors.Is(err, fs.ErrNotExist) {
		if slices.ContainsFunc(r.Files, func(f File) bool { return strings.HasPrefix(f.Name, hubTemplates) }) {
			return fmt.Errorf("%s: the templates of the hub are there, its console is not: make release builds it from web/ and puts web/dist there", dir)
		}
		return nil
	}
	content, err := zipFolder(dir)
	if err != nil {
		return err
	}
	r.add("console.zip", content)
	return nil
}

// addNotices adds the licences of what is shipped, where they were collected.
func (r *Release) addNotices(dist string) error {
	const name = "LICENSES.txt"
	content, err := os.ReadFile(filepath.Join(dist, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	r.add(name, content)
	return nil
}

// sums lists the hashes of all files.
func (r *Release) sums() []byte {
	var b bytes.Buffer
	for _, f := range r.Files {
		fmt.Fprintf(&b, "%s  %s\n", f.SHA256, f.Name)
	}
	return b.Bytes()
}

// Templates returns the names of the templates, without their suffix.
func (r *Release) Templates() []string {
	var out []string
	for _, f := range r.Files {
		if name, ok := strings.CutSuffix(f.Name, templateSuffix); ok {
			out = append(out, name)
		}
	}
	return out
}

var zipName = regexp.MustCompile(`[0-9a-f]{64}\.zip`)

// consistent checks that templates and files are of one build: every zip that a template names is there, and the hash of
// every program is in a template, since instances refuse a program with another one.
func (r *Release) consistent() error {
	var errs []error
	var templates []byte
	names := map[string]bool{}
	for _, f := range r.Files {
		if names[f.Name] {
			errs = append(errs, fmt.Errorf("two files are named %s", f.Name))
		}
		names[f.Name] = true
		if strings.HasSuffix(f.Name, templateSuffix) {
			templates = append(templates, f.Content...)
		}
	}
	wanted := map[string]bool{}
	for _, name := range zipName.FindAll(templates, -1) {
		wanted[string(name)] = true
	}
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		if !names[name] {
			errs = append(errs, fmt.Errorf("a template needs %s, which cdk/ does not list; run make synth again", name))
		}
	}
	for _, f := range r.Files {
		if path.Ext(f.Name) == "" && !bytes.Contains(templates, []byte(f.SHA256)) {
			errs = append(errs, fmt.Errorf("no template expects this build of %s (SHA-256 %s); run make synth again", f.Name, f.SHA256))
		}
	}
	return errors.Join(errs...)
}
