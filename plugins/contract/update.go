package contract

import "fmt"

// CheckUpdate compares the values that a running task has with those that it is to have, as they were given. The error, if
// any, is Errors and holds every parameter that cannot be changed.
func (c *Contract) CheckUpdate(before, after map[string]string) error {
	var errs Errors
	for i := range c.Parameters {
		p := &c.Parameters[i]
		was, is := c.given(before, p), c.given(after, p)
		if p.OnUpdate == Replaced && was != is {
			errs = append(errs, FieldError{p.Name, is, fmt.Sprintf("this task has %q, and it cannot be changed: create another task", shorten(was))})
		}
	}
	if len(errs) > 0 {
		return errs
	}
	return nil
}

// given is a value, or the default of one that is not given. An empty schedule is a choice of its own.
func (c *Contract) given(all map[string]string, p *Parameter) string {
	value, there := all[p.Name]
	if value != "" || there && p.Type == Cron {
		return value
	}
	if c.Defaults != nil {
		if special, ok := c.Defaults(all)[p.Name]; ok {
			return special
		}
	}
	return p.Default
}
