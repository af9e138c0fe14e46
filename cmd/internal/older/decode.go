// Package older reads parameter files of older tools of this kind and turns them into those of the S3 plugin. What it
// knows of them is in their public templates, https://github.com/aws-solutions/data-transfer-hub.
package older

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// File is the parameters of a file in their order.
type File struct {
	Names  []string
	Values map[string]string
}

// largest is more than CloudFormation takes: 200 parameters of 4,096 bytes.
const largest = 4 << 20

// Decode reads a parameter file in one of the forms that CloudFormation's tools use:
//
//	[{"ParameterKey": "srcBucket", "ParameterValue": "photos"}, ...]
//	["srcBucket=photos", ...]
//	{"Parameters": {"srcBucket": "photos", ...}} or {"Parameters": [...]}
//	{"srcBucket": "photos", ...}
//	srcBucket=photos                                            one a line, # begins a comment
//	ParameterKey=srcBucket,ParameterValue=photos \              as on a command line
//
// The error says where the file is none of them, or names a parameter that is there twice.
func Decode(content []byte) (*File, error) {
	content = bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))
	switch {
	case len(content) > largest:
		return nil, fmt.Errorf("the file has %d bytes; parameter files have less than %d", len(content), largest)
	case !utf8.Valid(content):
		return nil, errors.New("the file is not UTF-8")
	}
	f := &File{Values: map[string]string{}}
	var err error
	switch text := bytes.TrimSpace(content); {
	case len(text) == 0:
		err = errors.New("the file is empty")
	case text[0] == '{' || text[0] == '[':
		err = f.document(text)
	default:
		err = f.lines(string(text))
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (f *File) add(name, value string) error {
	name = strings.TrimSpace(name)
	if name == "" {
		return errors.New("a parameter has no name")
	}
	if _, twice := f.Values[name]; twice {
		return fmt.Errorf("%s is given twice", name)
	}
	f.Names = append(f.Names, name)
	f.Values[name] = value
	return nil
}

// document reads the JSON forms.
func (f *File) document(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	var whole json.RawMessage
	if err := d.Decode(&whole); err != nil {
		return fmt.Errorf("the file begins like JSON and is none: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON value")
	}
	if whole[0] == '[' {
		return f.list(whole)
	}
	var outer struct{ Parameters json.RawMessage }
	if err := json.Unmarshal(whole, &outer); err != nil {
		return err
	}
	switch inner := bytes.TrimSpace(outer.Parameters); {
	case len(inner) > 0 && inner[0] == '[':
		return f.list(inner)
	case len(inner) > 0 && inner[0] == '{':
		return f.object(inner)
	}
	return f.object(whole)
}

// list reads an array of entries or of name=value texts.
func (f *File) list(text []byte) error {
	var entries []json.RawMessage
	if err := json.Unmarshal(text, &entries); err != nil {
		return err
	}
	for i, entry := range entries {
		if err := f.entry(entry); err != nil {
			return fmt.Errorf("entry %d: %w", i+1, err)
		}
	}
	return nil
}

func (f *File) entry(raw json.RawMessage) error {
	var pair string
	if json.Unmarshal(raw, &pair) == nil && string(raw) != "null" {
		return f.pair(pair)
	}
	var one struct {
		ParameterKey     *string
		ParameterValue   json.RawMessage
		UsePreviousValue bool
	}
	if err := json.Unmarshal(raw, &one); err != nil || one.ParameterKey == nil {
		return fmt.Errorf("%.80s: an entry has ParameterKey and ParameterValue, or is a text name=value", raw)
	}
	if one.ParameterValue == nil && one.UsePreviousValue {
		return fmt.Errorf("%s: UsePreviousValue leaves the value in the older stack; write the value, as aws cloudformation describe-stacks shows it", *one.ParameterKey)
	}
	value, err := scalar(one.ParameterValue)
	if err != nil {
		return fmt.Errorf("%s: %w", *one.ParameterKey, err)
	}
	return f.add(*one.ParameterKey, value)
}

// object reads names and values in their order.
func (f *File) object(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	if _, err := d.Token(); err != nil { // the brace
		return err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return err
		}
		value, err := scalar(raw)
		if err != nil {
			return fmt.Errorf("%v: %w", name, err)
		}
		if err := f.add(fmt.Sprint(name), value); err != nil {
			return err
		}
	}
	return nil
}

// scalar returns a text, a number or a truth value as the text that CloudFormation would get, and a list of texts joined.
func scalar(raw json.RawMessage) (string, error) {
	var text string
	var list []string
	switch {
	case len(raw) == 0 || string(raw) == "null":
		return "", errors.New("it has no value")
	case json.Unmarshal(raw, &text) == nil:
		return text, nil
	case json.Unmarshal(raw, &list) == nil:
		return strings.Join(list, ","), nil
	case raw[0] == '{' || raw[0] == '[':
		return "", fmt.Errorf("%.80s: the value is a text, a number, true or false", raw)
	}
	return string(raw), nil
}

// lines reads name=value lines, and the entries of a command line.
func (f *File) lines(text string) error {
	n := 0
	for line := range strings.SplitSeq(text, "\n") {
		n++
		line = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(line), `\`))
		if line == "" || line[0] == '#' {
			continue
		}
		if err := f.line(line); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	if len(f.Names) == 0 {
		return errors.New("the file holds no parameter")
	}
	return nil
}

func (f *File) line(line string) error {
	rest, ok := strings.CutPrefix(line, "ParameterKey=")
	if !ok {
		return f.pair(line)
	}
	name, value, ok := strings.Cut(rest, ",ParameterValue=")
	if !ok {
		return fmt.Errorf("%.80q: ,ParameterValue= is missing", line)
	}
	return f.add(name, unquote(value))
}

func (f *File) pair(text string) error {
	name, value, ok := strings.Cut(text, "=")
	if !ok {
		return fmt.Errorf("%.80q: write name=value", text)
	}
	return f.add(name, unquote(strings.TrimSpace(value)))
}

// unquote takes away quotes around a value, and the backslashes that shells and lists want before commas.
func unquote(value string) string {
	if n := len(value); n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
		value = value[1 : n-1]
	}
	return strings.ReplaceAll(strings.ReplaceAll(value, `\\,`, `,`), `\,`, `,`)
}
