package metrics

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The limits of the format, from its specification and its schema. A log event may have had 256 KiB for years, and 1 MiB of
// late: lines keep to the lesser.
const (
	maxLine       = 256 << 10
	maxMetrics    = 100
	maxDimensions = 30
	maxName       = 1024 // of namespaces, metrics, and values of dimensions, in characters
	maxDimension  = 250  // of names of dimensions, in characters
)

// maxMagnitude bounds values on both sides of 0 (the API reference of PutMetricData, MetricDatum).
const maxMagnitude = 1 << 360

func units() []string {
	sizes := []string{"Bytes", "Kilobytes", "Megabytes", "Gigabytes", "Terabytes", "Bits", "Kilobits", "Megabits", "Gigabits", "Terabits"}
	all := append([]string{"Seconds", "Microseconds", "Milliseconds", "Percent", "Count", "Count/Second", "None"}, sizes...)
	for _, s := range sizes {
		all = append(all, s+"/Second")
	}
	return all
}

// Check reports what of a line is not as the published format says: nil when CloudWatch makes metrics of all that it
// promises. The error names the field as a path, its value and what is allowed. A newline at the end is none of the line's.
func Check(line []byte) error {
	line = bytes.TrimSuffix(line, []byte{'\n'})
	switch {
	case len(line) > maxLine:
		return fmt.Errorf("the line has %d bytes: allowed are %d", len(line), maxLine)
	case bytes.ContainsRune(line, '\n'):
		return errors.New("the line has a line break inside: an event is one line")
	case !utf8.Valid(line):
		return errors.New("the line is not UTF-8")
	}
	root, err := object(line)
	if err != nil {
		return fmt.Errorf("the line: %w", err)
	}
	return document(root).check()
}

// document is the root of a line.
type document map[string]json.RawMessage

func (d document) check() error {
	meta, err := member(d, "_aws")
	if err != nil {
		return err
	}
	aws, err := only(meta, "CloudWatchMetrics", "Timestamp")
	if err != nil {
		return fmt.Errorf("_aws%w", err)
	}
	if err := checkTime(aws["Timestamp"]); err != nil {
		return fmt.Errorf("_aws.Timestamp: %w", err)
	}
	directives, err := array(aws["CloudWatchMetrics"])
	if err != nil {
		return fmt.Errorf("_aws.CloudWatchMetrics: %w", err)
	}
	if len(directives) == 0 {
		return errors.New("_aws.CloudWatchMetrics: it is empty: a line without a directive has no metrics")
	}
	for i, raw := range directives {
		if err := d.directive(raw); err != nil {
			return fmt.Errorf("_aws.CloudWatchMetrics[%d]%w", i, err)
		}
	}
	return nil
}

func (d document) directive(raw json.RawMessage) error {
	directive, err := only(raw, "Namespace", "Dimensions", "Metrics")
	if err != nil {
		return err
	}
	if _, err := text(directive["Namespace"], maxName); err != nil {
		return fmt.Errorf(".Namespace: %w", err)
	}
	sets, err := array(directive["Dimensions"])
	if err != nil {
		return fmt.Errorf(".Dimensions: %w", err)
	}
	if len(sets) == 0 {
		return errors.New(".Dimensions: it is empty: at least one set of dimensions is needed")
	}
	for i, set := range sets {
		if err := d.dimensions(set); err != nil {
			return fmt.Errorf(".Dimensions[%d]%w", i, err)
		}
	}
	metrics, err := array(directive["Metrics"])
	if err != nil {
		return fmt.Errorf(".Metrics: %w", err)
	}
	if len(metrics) > maxMetrics {
		return fmt.Errorf(".Metrics: %d metrics: allowed are %d", len(metrics), maxMetrics)
	}
	named := map[string]bool{}
	for i, metric := range metrics {
		name, err := d.metric(metric)
		if err != nil {
			return fmt.Errorf(".Metrics[%d]%w", i, err)
		}
		if named[name] {
			return fmt.Errorf(".Metrics[%d].Name: %q: it is there twice", i, name)
		}
		named[name] = true
	}
	return nil
}

// dimensions checks a set: names of root members whose values are text.
func (d document) dimensions(raw json.RawMessage) error {
	names, err := array(raw)
	if err != nil {
		return fmt.Errorf(": %w", err)
	}
	if len(names) == 0 || len(names) > maxDimensions {
		return fmt.Errorf(": %d dimensions: allowed are 1 to %d", len(names), maxDimensions)
	}
	for i, raw := range names {
		name, err := text(raw, maxDimension)
		if err != nil {
			return fmt.Errorf("[%d]: %w", i, err)
		}
		value, err := member(d, name)
		if err != nil {
			return fmt.Errorf("[%d]: %w", i, err)
		}
		if _, err := text(value, maxName); err != nil {
			return fmt.Errorf("[%d]: %s: %w", i, name, err)
		}
	}
	return nil
}

// metric checks a definition and the value that it points to, and returns its name.
func (d document) metric(raw json.RawMessage) (string, error) {
	definition, err := only(raw, "Name", "Unit?", "StorageResolution?")
	if err != nil {
		return "", err
	}
	name, err := text(definition["Name"], maxName)
	if err != nil {
		return "", fmt.Errorf(".Name: %w", err)
	}
	if raw, ok := definition["Unit"]; ok {
		unit, err := text(raw, maxName)
		if err == nil && !slices.Contains(units(), unit) {
			err = fmt.Errorf("%q: allowed are %s", unit, strings.Join(units(), ", "))
		}
		if err != nil {
			return "", fmt.Errorf(".Unit: %w", err)
		}
	}
	if raw, ok := definition["StorageResolution"]; ok && string(raw) != "1" && string(raw) != "60" {
		return "", fmt.Errorf(".StorageResolution: %.80s: allowed are 1 and 60", raw)
	}
	value, err := member(d, name)
	if err != nil {
		return "", fmt.Errorf(".Name: %w", err)
	}
	if err := checkValue(value); err != nil {
		return "", fmt.Errorf(".Name: %s%w", name, err)
	}
	return name, nil
}

// checkValue checks the value of a metric: a number, or up to a hundred.
func checkValue(raw json.RawMessage) error {
	if !bytes.HasPrefix(raw, []byte{'['}) {
		if err := checkNumber(raw); err != nil {
			return fmt.Errorf(": %w", err)
		}
		return nil
	}
	values, err := array(raw)
	if err != nil {
		return fmt.Errorf(": %w", err)
	}
	if len(values) == 0 || len(values) > maxValues {
		return fmt.Errorf(": %d values: allowed are 1 to %d", len(values), maxValues)
	}
	for i, v := range values {
		if err := checkNumber(v); err != nil {
			return fmt.Errorf("[%d]: %w", i, err)
		}
	}
	return nil
}

func checkNumber(raw json.RawMessage) error {
	v, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || !isNumber(raw) {
		return fmt.Errorf("%.80s: the value must be a number", raw)
	}
	if math.Abs(v) > maxMagnitude {
		return fmt.Errorf("%.80s: allowed is up to 2^360 on both sides of 0", raw)
	}
	return nil
}

// isNumber tells numbers of JSON from what else could be read as one. raw is valid JSON.
func isNumber(raw json.RawMessage) bool {
	return len(raw) > 0 && (raw[0] == '-' || '0' <= raw[0] && raw[0] <= '9')
}

// checkTime checks a time in milliseconds since 1970.
func checkTime(raw json.RawMessage) error {
	if v, err := strconv.ParseInt(string(raw), 10, 64); err != nil || v < 0 {
		return fmt.Errorf("%.80s: the value must be a whole number of milliseconds since 1970", raw)
	}
	return nil
}

// only returns the members of an object that may have these and no others; a name that ends in a question mark may be
// missing.
func only(raw json.RawMessage, names ...string) (map[string]json.RawMessage, error) {
	members, err := object(raw)
	if err != nil {
		return nil, fmt.Errorf(": %w", err)
	}
	known := map[string]bool{}
	for _, name := range names {
		name, optional := strings.CutSuffix(name, "?")
		known[name] = true
		if _, ok := members[name]; !ok && !optional {
			return nil, fmt.Errorf(".%s: it is missing", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if !known[name] {
			return nil, fmt.Errorf(".%.80s: the format has no such member; allowed are %s", name, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		}
	}
	return members, nil
}

func member(members map[string]json.RawMessage, name string) (json.RawMessage, error) {
	raw, ok := members[name]
	if !ok {
		return nil, fmt.Errorf("%s: the line has no such member", name)
	}
	return raw, nil
}

// object reads an object by the letter: names are told apart by capitals, as the format has it.
func object(raw []byte) (map[string]json.RawMessage, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	var members map[string]json.RawMessage
	if err := decoder.Decode(&members); err != nil || members == nil {
		return nil, fmt.Errorf("%.80s: a JSON object is expected", raw)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is something after the JSON object")
	}
	return members, nil
}

func array(raw json.RawMessage) ([]json.RawMessage, error) {
	var elements []json.RawMessage
	if err := json.Unmarshal(raw, &elements); err != nil || elements == nil {
		return nil, fmt.Errorf("%.80s: an array is expected", raw)
	}
	return elements, nil
}

func text(raw json.RawMessage, most int) (string, error) {
	var s *string
	if err := json.Unmarshal(raw, &s); err != nil || s == nil {
		return "", fmt.Errorf("%.80s: text is expected", raw)
	}
	if n := utf8.RuneCountInString(*s); n == 0 || n > most {
		return "", fmt.Errorf("%.80q: %d characters: allowed are 1 to %d", *s, n, most)
	}
	return *s, nil
}
