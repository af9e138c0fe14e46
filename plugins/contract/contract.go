// Package contract describes a plugin's parameters as data. From one list come the CloudFormation parameters, the
// API's validation, the console's forms, the CLI's flags and the tables in the docs.
package contract

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/datatransferhub/dth/worker/cron"
	"github.com/datatransferhub/dth/worker/units"
)

// Type is how a parameter's text is read.
type Type string

// The types. All values are text on the wire.
const (
	String  Type = "string"
	Bool    Type = "bool"    // true or false
	Choice  Type = "choice"  // one of Allowed
	Integer Type = "integer" // Min..Max
	Percent Type = "percent" // 0..100, with or without a percent sign
	Size    Type = "size"    // bytes, or with a binary unit
	Rate    Type = "rate"    // size a second
	Time    Type = "time"    // RFC 3339
	List    Type = "list"    // separated by commas or new lines
	Lines   Type = "lines"   // one a line; commas belong to the value
	Cron    Type = "cron"    // EventBridge cron fields or expression
)

// Update is what changing a parameter of a running task does.
type Update string

// The effects of an update.
const (
	Nothing  Update = "takes effect with the next run"
	Restart  Update = "restarts the workers"
	Replaced Update = "refused: create another task"
)

// Condition says when a parameter applies: when the named one has one of the values.
type Condition struct {
	Parameter string   `json:"parameter"`
	In        []string `json:"in"`
}

// Parameter is one parameter. Names are established ones, so that older parameter files stay readable.
type Parameter struct {
	Name     string      `json:"name"`
	Group    string      `json:"group"`
	Label    string      `json:"label"`
	Help     string      `json:"help"`
	Type     Type        `json:"type"`
	Default  string      `json:"default,omitempty"`
	Required bool        `json:"required,omitempty"`
	Allowed  []string    `json:"allowed,omitempty"`
	Pattern  string      `json:"pattern,omitempty"` // anchored regular expression
	Rule     string      `json:"rule,omitempty"`    // the pattern, or a check in code, in words
	Min      int64       `json:"min,omitempty"`     // of integers and sizes
	Max      int64       `json:"max,omitempty"`     // 0: no bound
	MaxBytes int         `json:"maxBytes,omitempty"`
	When     []Condition `json:"when,omitempty"` // all must hold
	OnUpdate Update      `json:"onUpdate"`
	// Remarks says of a list that its lines may be remarks, which begin with #. Elsewhere a # belongs to the value.
	Remarks bool `json:"-"`
}

// Flag returns the command line's name of a parameter: destPutObjectSSEType is --dest-put-object-sse-type.
func (p *Parameter) Flag() string {
	var b strings.Builder
	for i := 0; i < len(p.Name); i++ {
		c := p.Name[i]
		upper := c >= 'A' && c <= 'Z'
		afterLower := i > 0 && !(p.Name[i-1] >= 'A' && p.Name[i-1] <= 'Z')
		beforeLower := i+1 < len(p.Name) && p.Name[i+1] >= 'a' && p.Name[i+1] <= 'z'
		if upper && i > 0 && (afterLower || beforeLower) {
			b.WriteByte('-')
		}
		if upper {
			c += 'a' - 'A'
		}
		b.WriteByte(c)
	}
	return b.String()
}

// Contract is the ordered list of a plugin's parameters with the rules between them.
type Contract struct {
	Plugin     string      `json:"plugin"`
	Parameters []Parameter `json:"parameters"`
	// Rules check what one parameter alone cannot show. They see complete values of the right types.
	Rules []Rule `json:"-"`
	// Defaults returns defaults that depend on other values; they win over Parameter.Default.
	Defaults func(given Values) map[string]string `json:"-"`
}

// Rule checks several values together.
type Rule func(v Values) []FieldError

// FieldError is one refused value.
type FieldError struct {
	Field   string `json:"field"`
	Value   string `json:"value"`
	Message string `json:"message"` // what is wrong and what is allowed
}

func (e FieldError) Error() string {
	if e.Value == "" {
		return e.Field + ": " + e.Message
	}
	return fmt.Sprintf("%s: %q: %s", e.Field, shorten(e.Value), e.Message)
}

func shorten(s string) string {
	const most = 120
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// Errors is everything that is wrong with a set of parameters.
type Errors []FieldError

func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i := range e {
		lines[i] = e[i].Error()
	}
	return strings.Join(lines, "\n")
}

// Values are complete, checked parameters by name.
type Values map[string]string

// Find returns a parameter by name.
func (c *Contract) Find(name string) (*Parameter, bool) {
	i := slices.IndexFunc(c.Parameters, func(p Parameter) bool { return p.Name == name })
	if i < 0 {
		return nil, false
	}
	return &c.Parameters[i], true
}

// Subset returns the contract of some groups, with other defaults for some parameters. Parameters outside of the
// groups are not required by it and cannot be given.
func (c *Contract) Subset(groups []string, defaults map[string]string) *Contract {
	out := &Contract{Plugin: c.Plugin, Rules: c.Rules, Defaults: c.Defaults}
	for _, p := range c.Parameters {
		if !slices.Contains(groups, p.Group) {
			continue
		}
		if d, ok := defaults[p.Name]; ok {
			p.Default = d
		}
		out.Parameters = append(out.Parameters, p)
	}
	base := c.Defaults
	out.Defaults = func(given Values) map[string]string {
		all := map[string]string{}
		if base != nil {
			for k, v := range base(given) {
				all[k] = v
			}
		}
		for k, v := range defaults {
			all[k] = v
		}
		return all
	}
	return out
}

// Validate completes given with the defaults and checks everything. The error, if any, is Errors and holds all that
// is wrong.
func (c *Contract) Validate(given map[string]string) (Values, error) {
	var errs Errors
	v := Values{}
	for name, value := range given {
		if _, ok := c.Find(name); !ok {
			errs = append(errs, FieldError{name, value, "this parameter is unknown" + c.suggest(name)})
			continue
		}
		// An empty schedule is a choice of its own (once); elsewhere empty means not given.
		if p, _ := c.Find(name); value != "" || p.Type == Cron {
			v[name] = value
		}
	}
	slices.SortFunc(errs, func(a, b FieldError) int { return strings.Compare(a.Field, b.Field) })
	c.complete(v)
	c.dropIdle(v)
	for i := range c.Parameters {
		p := &c.Parameters[i]
		errs = append(errs, p.check(v)...)
	}
	errs = append(errs, c.betweenParameters(v, errs)...)
	if len(errs) > 0 {
		return v, errs
	}
	return v, nil
}

func (c *Contract) complete(v Values) {
	var special map[string]string
	if c.Defaults != nil {
		special = c.Defaults(v)
	}
	for i := range c.Parameters {
		p := &c.Parameters[i]
		if _, ok := v[p.Name]; ok {
			continue
		}
		d := p.Default
		if s, ok := special[p.Name]; ok {
			d = s
		}
		if d != "" && p.Applies(v) {
			v[p.Name] = d
		}
	}
}

// dropIdle removes values that say nothing: the default of a parameter that does not apply. A template hands over all
// of its parameters, those too that nobody touched.
func (c *Contract) dropIdle(v Values) {
	for i := range c.Parameters {
		p := &c.Parameters[i]
		if v[p.Name] == p.Default && !p.Applies(v) {
			delete(v, p.Name)
		}
	}
}

// Applies reports whether the parameter's conditions hold.
func (p *Parameter) Applies(v Values) bool {
	for _, c := range p.When {
		if !slices.Contains(c.In, v[c.Parameter]) {
			return false
		}
	}
	return true
}

// check tests one parameter's own value.
func (p *Parameter) check(v Values) []FieldError {
	value := v[p.Name]
	if value == "" {
		if p.Required && p.Applies(v) {
			return []FieldError{{p.Name, "", "this parameter is required: " + p.Help}}
		}
		return nil
	}
	if !utf8.ValidString(value) {
		return []FieldError{{p.Name, strings.ToValidUTF8(value, "\ufffd"), "the value is not UTF-8"}}
	}
	if !p.Applies(v) {
		return []FieldError{{p.Name, value, "this applies only when " + p.conditions()}}
	}
	if p.MaxBytes > 0 && len(value) > p.MaxBytes {
		return []FieldError{{p.Name, value, fmt.Sprintf("the value has %d bytes, allowed are %d", len(value), p.MaxBytes)}}
	}
	if message := p.checkType(value); message != "" {
		return []FieldError{{p.Name, value, message}}
	}
	if p.Pattern != "" && !regexp.MustCompile(p.Pattern).MatchString(value) {
		return []FieldError{{p.Name, value, "allowed: " + p.Rule}}
	}
	return nil
}

func (p *Parameter) conditions() string {
	var parts []string
	for _, c := range p.When {
		parts = append(parts, c.Parameter+" is "+strings.Join(c.In, " or "))
	}
	return strings.Join(parts, " and ")
}

// checkType returns what is wrong with a value of the parameter's type, "" when nothing is.
func (p *Parameter) checkType(value string) string {
	switch p.Type {
	case Bool:
		if value != "true" && value != "false" {
			return "allowed: true or false"
		}
	case Choice:
		if !slices.Contains(p.Allowed, value) {
			return "allowed: " + strings.Join(p.Allowed, ", ")
		}
	case Integer, Percent:
		n, err := strconv.ParseInt(strings.TrimSuffix(value, "%"), 10, 64)
		if err != nil || p.Type == Integer && strings.HasSuffix(value, "%") {
			return "this is no whole number"
		}
		return p.checkBounds(n, func(n int64) string { return strconv.FormatInt(n, 10) })
	case Size:
		n, err := units.ParseSize(value)
		if err != nil {
			return err.Error()
		}
		return p.checkBounds(n, units.FormatSize)
	case Rate:
		if _, err := units.ParseRate(value); err != nil {
			return err.Error()
		}
	case Time:
		if _, err := time.Parse(time.RFC3339, value); err != nil {
			return "allowed: a time such as 2026-01-31T00:00:00Z (RFC 3339)"
		}
	case Cron:
		if _, err := cron.Parse(value); err != nil {
			return err.Error()
		}
	case String, List, Lines:
	}
	return ""
}

func (p *Parameter) checkBounds(n int64, print func(int64) string) string {
	switch {
	case n < p.Min && p.Max == 0:
		return "allowed: at least " + print(p.Min)
	case n < p.Min || p.Max != 0 && n > p.Max:
		return "allowed: " + print(p.Min) + " to " + print(p.Max)
	}
	return ""
}

// suggest names the parameter that was probably meant.
func (c *Contract) suggest(name string) string {
	const longest = 64 // comparing costs time by the length, and nobody's typing error makes a name that long
	if len(name) > longest {
		return ""
	}
	best, distance := "", 4
	for i := range c.Parameters {
		if d := editDistance(strings.ToLower(name), strings.ToLower(c.Parameters[i].Name)); d < distance {
			best, distance = c.Parameters[i].Name, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

// editDistance is Levenshtein's.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			diagonal, row[j] = row[j], min(row[j]+1, row[j-1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
