package publish

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// The mapping of a released template that alone says where its files are.
var (
	bucketPrefixAt = []string{"Mappings", "Assets", "Release", "BucketPrefix"}
	keyPrefixAt    = []string{"Mappings", "Assets", "Release", "KeyPrefix"}
)

// errNoMapping is the error of a template that is not of the released form.
var errNoMapping = errors.New("the mapping Assets.Release is missing: this template was not written for publishing (make synth writes dist/templates)")

// text is a string of a JSON document: its value and where it stands, quotes included.
type text struct {
	value    string
	from, to int64
}

// textAt finds the string at a path of object keys. Everything else of the document is left as it is.
func textAt(document []byte, path []string) (text, error) {
	d := json.NewDecoder(bytes.NewReader(document))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return text{}, fmt.Errorf("this is no JSON object: %w", errors.Join(err, errNoMapping))
	}
	for depth := 0; ; {
		t, err := d.Token()
		if err != nil {
			return text{}, fmt.Errorf("reading the template: %w", err)
		}
		if t == json.Delim('}') {
			return text{}, errNoMapping
		}
		if t != path[depth] {
			if err := d.Decode(new(json.RawMessage)); err != nil {
				return text{}, fmt.Errorf("reading the template: %w", err)
			}
			continue
		}
		if depth == len(path)-1 {
			return textHere(d, document)
		}
		if t, err := d.Token(); err != nil || t != json.Delim('{') {
			return text{}, errors.Join(err, errNoMapping)
		}
		depth++
	}
}

// textHere reads the value that follows a key.
func textHere(d *json.Decoder, document []byte) (text, error) {
	before := d.InputOffset()
	t, err := d.Token()
	value, ok := t.(string)
	if err != nil || !ok {
		return text{}, errors.Join(err, errNoMapping)
	}
	to := d.InputOffset()
	quote := bytes.IndexByte(document[before:to], '"')
	return text{value: value, from: before + int64(quote), to: to}, nil
}

// wellFormed reports whether a document is one JSON value and nothing else.
func wellFormed(document []byte) error {
	d := json.NewDecoder(bytes.NewReader(document))
	if err := d.Decode(new(json.RawMessage)); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON object")
	}
	return nil
}

// rebase returns a template whose files are looked for in the buckets of another prefix. The rest stays byte for byte.
// A template of another version than the wanted one is refused: more than its mapping may name the version.
func rebase(template []byte, bucketPrefix, keyPrefix string) ([]byte, error) {
	if err := wellFormed(template); err != nil {
		return nil, fmt.Errorf("this is no JSON template: %w", err)
	}
	key, err := textAt(template, keyPrefixAt)
	if err != nil {
		return nil, err
	}
	if key.value != keyPrefix {
		return nil, fmt.Errorf("it was written for %s, not for %s; run make synth VERSION=%s", key.value, keyPrefix, versionOf(keyPrefix))
	}
	bucket, err := textAt(template, bucketPrefixAt)
	if err != nil {
		return nil, err
	}
	if bucket.value == bucketPrefix {
		return template, nil
	}
	quoted, err := json.Marshal(bucketPrefix)
	if err != nil {
		return nil, err
	}
	return slices.Concat(template[:bucket.from], quoted, template[bucket.to:]), nil
}
