package task

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// complete checks settings and fills in what follows from them.
func (s *Service) complete(plugin Plugin, settings *Settings) error {
	var wrong []Error
	refuse := func(field, value, message string) { wrong = append(wrong, *invalid(field, value, message)) }
	settings.Name = strings.TrimSpace(settings.Name)
	if n := utf8.RuneCountInString(settings.Name); n < 1 || n > 128 || !utf8.ValidString(settings.Name) || strings.ContainsFunc(settings.Name, unprintable) {
		refuse("name", settings.Name, "required are 1 to 128 characters, without line breaks and control characters")
	}
	if utf8.RuneCountInString(settings.Description) > 2000 || !utf8.ValidString(settings.Description) {
		refuse("description", settings.Description, "allowed are up to 2000 characters")
	}
	if len(settings.Labels) > 50 {
		refuse("labels", fmt.Sprint(len(settings.Labels)), "allowed are up to 50")
	}
	for _, k := range slices.Sorted(maps.Keys(settings.Labels)) {
		if !label.MatchString(k) || len(settings.Labels[k]) > 256 || !utf8.ValidString(settings.Labels[k]) {
			refuse("labels."+k, settings.Labels[k], "a label's name has 1 to 128 letters, digits and _.:/=+-@, its value up to 256 bytes")
		}
	}
	values, err := plugin.Contract.Validate(settings.Parameters)
	var parameters *Error
	if err != nil && !errors.As(fieldErrors("parameters.", err), &parameters) {
		return s.failed("checking the parameters", err)
	}
	if parameters != nil {
		others := parameters.Others
		parameters.Others = nil
		wrong = append(append(wrong, *parameters), others...)
	}
	if len(wrong) > 0 {
		first := wrong[0]
		first.Others = wrong[1:]
		return &first
	}
	settings.Schedule = plugin.Schedule(values)
	return nil
}

func unprintable(r rune) bool { return r < ' ' || r == 0x7f || r == utf8.RuneError }

var label = regexp.MustCompile(`^[\p{L}\p{N}_.:/=+@-]{1,128}$`)

// missing looks whether what the parameters name is there.
func (s *Service) missing(ctx context.Context, plugin Plugin, parameters map[string]string) error {
	if s.Existence == nil {
		return nil
	}
	wrong, err := s.Existence.Missing(ctx, plugin.Type, parameters)
	if err != nil {
		return s.failed("looking for what the parameters name", err)
	}
	if len(wrong) == 0 {
		return nil
	}
	return together(wrong)
}

// together makes one error of several.
func together(wrong []Error) error {
	first := wrong[0]
	first.Others = wrong[1:]
	return &first
}

// misnamed looks whether what an edit names is there. What was missing before is not held against it.
func (s *Service) misnamed(ctx context.Context, t *Task, in UpdateInput) error {
	if s.Existence == nil || in.Parameters == nil || in.Edition != 0 && in.Edition != t.Edition {
		return nil // nothing is named, or the edit is refused for another reason
	}
	plugin, err := s.plugin(t.Type)
	if err != nil {
		return err
	}
	next, err := s.edited(plugin, *t, in)
	if err != nil || maps.Equal(next.Parameters, t.Parameters) {
		return err
	}
	wrong, err := s.Existence.Missing(ctx, plugin.Type, next.Parameters)
	if err != nil {
		return s.failed("looking for what the parameters name", err)
	}
	if len(wrong) == 0 {
		return nil
	}
	known, err := s.Existence.Missing(ctx, plugin.Type, t.Parameters)
	if err != nil {
		return s.failed("looking for what the parameters name", err)
	}
	wrong = slices.DeleteFunc(wrong, func(w Error) bool {
		return slices.ContainsFunc(known, func(k Error) bool { return k.Field == w.Field && k.Value == w.Value && k.Message == w.Message })
	})
	if len(wrong) == 0 {
		return nil
	}
	return together(wrong)
}

// changes returns what differs between settings, field by field, in order. A parameter that is given and empty differs from one that
// is not given, which has the plugin's default.
func changes(before, after Settings) (all []Change) {
	add := func(field, b, a string) {
		if b != a {
			all = append(all, Change{Field: field, Before: b, After: a})
		}
	}
	add("name", before.Name, after.Name)
	add("description", before.Description, after.Description)
	each := func(prefix string, b, a map[string]string) {
		names := slices.Sorted(maps.Keys(b))
		for k := range a {
			if _, both := b[k]; !both {
				names = append(names, k)
			}
		}
		slices.Sort(names)
		for _, k := range names {
			_, had := b[k]
			if _, has := a[k]; had != has || b[k] != a[k] {
				all = append(all, Change{Field: prefix + k, Before: b[k], After: a[k]})
			}
		}
	}
	each("labels.", before.Labels, after.Labels)
	each("parameters.", before.Parameters, after.Parameters)
	return all
}
