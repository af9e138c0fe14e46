package contract

import "slices"

// betweenParameters returns what the rules find, beside what is wrong with single parameters. A finding that would be another if a
// wrong parameter had another value is left out: nobody knows yet what is meant there.
func (c *Contract) betweenParameters(v Values, wrong Errors) (found []FieldError) {
	bad := map[string]bool{}
	clean := Values{}
	for name, value := range v {
		clean[name] = value
	}
	for _, e := range wrong {
		if _, known := c.Find(e.Field); known {
			bad[e.Field] = true
			delete(clean, e.Field)
		}
	}
	for _, rule := range c.Rules {
		told := about(rule(clean), bad)
		if len(told) > 0 && !c.depends(rule, clean, bad, told) {
			found = append(found, told...)
		}
	}
	return found
}

// depends reports whether a rule tells something else with another value of a wrong parameter.
func (c *Contract) depends(rule Rule, clean Values, bad map[string]bool, told []FieldError) bool {
	for name := range bad {
		p, _ := c.Find(name)
		for _, value := range append([]string{p.Default, "another-" + name}, p.Allowed...) {
			clean[name] = value
			other := about(rule(clean), bad)
			delete(clean, name)
			if !slices.Equal(other, told) {
				return true
			}
		}
	}
	return false
}

// about returns the findings that are not on wrong parameters.
func about(found []FieldError, bad map[string]bool) []FieldError {
	return slices.DeleteFunc(slices.Clone(found), func(e FieldError) bool { return bad[e.Field] })
}
