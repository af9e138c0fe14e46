package awssim

import (
	"encoding/json"
	"strings"
)

// scope is what an expression can see.
type scope struct {
	names  map[string]string
	values map[string]json.RawMessage
	item   item // nil: there is none
}

// parser reads condition, key-condition and update expressions. Paths have one step: the engine's items
// are flat.
type parser struct {
	tokens []string
	at     int
	scope  *scope
	err    error
}

func tokenize(text string) []string {
	var tokens []string
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == ' ' || c == '\n' || c == '\t':
			i++
		case strings.HasPrefix(text[i:], "<>") || strings.HasPrefix(text[i:], "<=") || strings.HasPrefix(text[i:], ">="):
			tokens = append(tokens, text[i:i+2])
			i += 2
		case strings.IndexByte("()=<>,+-", c) >= 0:
			tokens = append(tokens, text[i:i+1])
			i++
		default:
			j := i
			for j < len(text) && strings.IndexByte(" \n\t()=<>,+-", text[j]) < 0 {
				j++
			}
			tokens = append(tokens, text[i:j])
			i = j
		}
	}
	return tokens
}

func (p *parser) peek() string {
	if p.at < len(p.tokens) {
		return p.tokens[p.at]
	}
	return ""
}

func (p *parser) next() string {
	t := p.peek()
	p.at++
	return t
}

// word takes a keyword, in any case, where it comes next.
func (p *parser) word(w string) bool {
	if strings.EqualFold(p.peek(), w) {
		p.at++
		return true
	}
	return false
}

func (p *parser) expect(t string) {
	if got := p.next(); !strings.EqualFold(got, t) {
		p.fail("Syntax error; token: \"" + got + "\", expected \"" + t + "\"")
	}
}

func (p *parser) fail(message string) {
	if p.err == nil {
		p.err = refuse("ValidationException", "Invalid expression: "+message)
	}
}

// holds evaluates a condition; an empty one holds.
func (s *scope) holds(expression string) (bool, error) {
	if expression == "" {
		return true, nil
	}
	p := &parser{tokens: tokenize(expression), scope: s}
	ok := p.or()
	if p.err == nil && p.at != len(p.tokens) {
		p.fail("Syntax error; token: \"" + p.peek() + "\"")
	}
	return ok, p.err
}

func (p *parser) or() bool {
	ok := p.and()
	for p.err == nil && p.word("OR") {
		right := p.and()
		ok = ok || right
	}
	return ok
}

func (p *parser) and() bool {
	ok := p.not()
	for p.err == nil && p.word("AND") {
		right := p.not()
		ok = ok && right
	}
	return ok
}

func (p *parser) not() bool {
	if p.word("NOT") {
		return !p.not()
	}
	if p.word("(") {
		ok := p.or()
		p.expect(")")
		return ok
	}
	return p.test()
}

// test is one function or comparison.
func (p *parser) test() bool {
	switch strings.ToLower(p.peek()) {
	case "attribute_exists", "attribute_not_exists":
		want := strings.EqualFold(p.next(), "attribute_exists")
		p.expect("(")
		_, has := p.operand()
		p.expect(")")
		return has == want
	case "attribute_type":
		p.next()
		p.expect("(")
		raw, has := p.raw()
		p.expect(",")
		kind, _ := p.operand()
		p.expect(")")
		var members map[string]json.RawMessage
		if !has || json.Unmarshal(raw, &members) != nil {
			return false
		}
		_, is := members[kind.text]
		return is
	case "begins_with", "contains":
		begins := strings.EqualFold(p.next(), "begins_with")
		p.expect("(")
		a, okA := p.operand()
		p.expect(",")
		b, okB := p.operand()
		p.expect(")")
		if begins {
			return okA && okB && strings.HasPrefix(a.text, b.text)
		}
		return okA && okB && strings.Contains(a.text, b.text)
	}
	left, okLeft := p.operand()
	operator := p.next()
	switch strings.ToUpper(operator) {
	case "BETWEEN":
		low, okLow := p.operand()
		p.expect("AND")
		high, okHigh := p.operand()
		a, okA := left.compare(low)
		b, okB := left.compare(high)
		return okLeft && okLow && okHigh && okA && okB && a >= 0 && b <= 0
	case "IN":
		p.expect("(")
		found := false
		for {
			v, ok := p.operand()
			found = found || okLeft && ok && left.equal(v)
			if !p.word(",") {
				p.expect(")")
				return found
			}
			if p.err != nil {
				return false
			}
		}
	}
	right, okRight := p.operand()
	return okLeft && okRight && p.compare(operator, left, right) || operator == "<>" && okLeft != okRight
}

func (p *parser) compare(operator string, a, b value) bool {
	switch operator {
	case "=":
		return a.equal(b)
	case "<>":
		return !a.equal(b)
	}
	c, ok := a.compare(b)
	switch operator {
	case "<":
		return ok && c < 0
	case "<=":
		return ok && c <= 0
	case ">":
		return ok && c > 0
	case ">=":
		return ok && c >= 0
	}
	p.fail("unknown operator \"" + operator + "\"")
	return false
}

// operand is an attribute or a value; ok is false for an attribute that the item lacks.
func (p *parser) operand() (v value, ok bool) {
	raw, ok := p.raw()
	if !ok {
		return value{}, false
	}
	return decodeValue(raw)
}

func (p *parser) raw() (json.RawMessage, bool) {
	t := p.peek()
	if strings.HasPrefix(t, ":") {
		p.at++
		raw, ok := p.scope.values[t]
		if !ok {
			p.fail("An expression attribute value used in expression is not defined; attribute value: " + t)
		}
		return raw, ok
	}
	raw, ok := p.scope.item[p.path()]
	return raw, ok
}

// path is the name of an attribute.
func (p *parser) path() string {
	t := p.next()
	if t == "" || strings.ContainsAny(t, "()=<>,+-:") {
		p.fail("Syntax error; token: \"" + t + "\"")
		return ""
	}
	if strings.HasPrefix(t, "#") {
		name, ok := p.scope.names[t]
		if !ok {
			p.fail("An expression attribute name used in the document path is not defined; attribute name: " + t)
		}
		return name
	}
	return t
}

// update applies an update expression of SET, REMOVE and ADD clauses to a copy of the scope's item.
func (s *scope) update(expression string) (item, error) {
	p := &parser{tokens: tokenize(expression), scope: s}
	out := item{}
	for k, v := range s.item {
		out[k] = v
	}
	for p.err == nil && p.at < len(p.tokens) {
		clause := strings.ToUpper(p.next())
		for p.err == nil {
			p.assign(clause, out)
			if !p.word(",") {
				break
			}
		}
	}
	return out, p.err
}

func (p *parser) assign(clause string, out item) {
	name := p.path()
	switch clause {
	case "SET":
		p.expect("=")
		if raw := p.sum(); p.err == nil {
			out[name] = raw
		}
	case "REMOVE":
		delete(out, name)
	case "ADD":
		by, _ := p.operand()
		was, had := decodeValue(p.scope.item[name])
		if by.kind != "N" || had && was.kind != "N" {
			p.fail("ADD is simulated for numbers only")
			return
		}
		out[name] = numberValue(number(by.text).Add(number(by.text), number(was.text)))
	default:
		p.fail("unknown clause " + clause)
	}
}

// sum is the right side of an assignment.
func (p *parser) sum() json.RawMessage {
	raw := p.term()
	for p.err == nil && (p.peek() == "+" || p.peek() == "-") {
		minus := p.next() == "-"
		a, _ := decodeValue(raw)
		b, _ := decodeValue(p.term())
		if a.kind != "N" || b.kind != "N" {
			p.fail("Incorrect operand type for operator or function; operator: + or -")
			return nil
		}
		x, y := number(a.text), number(b.text)
		if minus {
			y.Neg(y)
		}
		raw = numberValue(x.Add(x, y))
	}
	return raw
}

func (p *parser) term() json.RawMessage {
	if !p.word("if_not_exists") {
		raw, ok := p.raw()
		if !ok {
			p.fail("The provided expression refers to an attribute that does not exist in the item")
		}
		return raw
	}
	p.expect("(")
	raw, ok := p.raw()
	p.expect(",")
	other, _ := p.raw()
	p.expect(")")
	if ok {
		return raw
	}
	return other
}
