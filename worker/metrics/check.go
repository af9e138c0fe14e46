package metrics

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// Limits of the format.
const (
	maxLine       = 1 << 20 // bytes of a log event
	maxMetrics    = 100     // of a directive
	maxDimensions = 30      // of a set
	maxName       = 1024
	maxDimension  = 250 // of a dimension's name
)

// units are those of CloudWatch's MetricDatum.
var units = []string{
	"", "Seconds", "Microseconds", "Milliseconds", "Bytes", "Kilobytes", "Megabytes", "Gigabytes", "Terabytes", "Bits", "Kilobits", "Megabits",
	"Gigabits", "Terabits", "Percent", "Count", "Bytes/Second", "Kilobytes/Second", "Megabytes/Second", "Gigabytes/Second", "Terabytes/Second",
	"Bits/Second", "Kilobits/Second", "Megabits/Second", "Gigabits/Second", "Terabits/Second", "Count/Second", "None",
}

type directive struct {
	Namespace  string
	Dimensions [][]string
	Metrics    []struct {
		Name, Unit        string
		StorageResolution int
	}
}

// Check reports what in a line is against the embedded metric format; nil for a line that CloudWatch takes metrics from.
func Check(line []byte) error {
	if len(line) > maxLine {
		return fmt.Errorf("the line has %d bytes, at most %d are allowed", len(line), maxLine)
	}
	var root map[string]json.RawMessage
	if err := json.Unmarshal(line, &root); err != nil {
		return fmt.Errorf("the line is no JSON object: %w", err)
	}
	var meta struct {
		Timestamp         *int64
		CloudWatchMetrics []directive
	}
	dec := json.NewDecoder(bytes.NewReader(root["_aws"]))
	if err := dec.Decode(&meta); err != nil {
		return fmt.Errorf("_aws: %w", err)
	}
	if meta.Timestamp == nil || *meta.Timestamp <= 0 {
		return errors.New("_aws.Timestamp: a number of milliseconds since 1970 is required")
	}
	if len(meta.CloudWatchMetrics) == 0 {
		return errors.New("_aws.CloudWatchMetrics: at least one entry is required")
	}
	for i := range meta.CloudWatchMetrics {
		if err := meta.CloudWatchMetrics[i].check(root, fmt.Sprintf("_aws.CloudWatchMetrics[%d]", i)); err != nil {
			return err
		}
	}
	return nil
}

func (d *directive) check(root map[string]json.RawMessage, at string) error {
	if d.Namespace == "" || len(d.Namespace) > maxName {
		return fmt.Errorf("%s.Namespace: %q: 1 to %d bytes are required", at, d.Namespace, maxName)
	}
	if len(d.Dimensions) == 0 {
		return fmt.Errorf("%s.Dimensions: at least one set is required", at)
	}
	for _, set := range d.Dimensions {
		if len(set) > maxDimensions {
			return fmt.Errorf("%s.Dimensions: %d in a set, at most %d are allowed", at, len(set), maxDimensions)
		}
		for _, name := range set {
			var value string
			if err := json.Unmarshal(root[name], &value); err != nil || value == "" || len(value) > maxName || len(name) > maxDimension {
				return fmt.Errorf("%s.Dimensions: %q needs a text of 1 to %d bytes at the top of the line", at, name, maxName)
			}
		}
	}
	if len(d.Metrics) > maxMetrics {
		return fmt.Errorf("%s.Metrics: %d, at most %d are allowed", at, len(d.Metrics), maxMetrics)
	}
	for _, m := range d.Metrics {
		if m.Name == "" || len(m.Name) > maxName {
			return fmt.Errorf("%s.Metrics: the name %q needs 1 to %d bytes", at, m.Name, maxName)
		}
		if !slices.Contains(units, m.Unit) {
			return fmt.Errorf("%s.Metrics: %s: the unit %q is not known", at, m.Name, m.Unit)
		}
		if m.StorageResolution != 0 && m.StorageResolution != 1 && m.StorageResolution != 60 {
			return fmt.Errorf("%s.Metrics: %s: StorageResolution is 1 or 60", at, m.Name)
		}
		if err := checkValue(root[m.Name]); err != nil {
			return fmt.Errorf("%s.Metrics: %s: %w", at, m.Name, err)
		}
	}
	return nil
}

// checkValue: a metric's value is a number or some of them.
func checkValue(raw json.RawMessage) error {
	var one float64
	if raw != nil && string(raw) != "null" && json.Unmarshal(raw, &one) == nil {
		return nil
	}
	var many []float64
	if raw == nil || string(raw) == "null" || json.Unmarshal(raw, &many) != nil || len(many) == 0 || len(many) > maxValues {
		return fmt.Errorf("a number or 1 to %d of them are required at the top of the line, not %.40s", maxValues, raw)
	}
	return nil
}
