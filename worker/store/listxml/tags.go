package listxml

import (
	"bytes"
	"io"
)

// markup reads one tag, comment, instruction or CDATA section; its "<" was read already.
func (d *decoder) markup() error {
	if tag, ok := d.plainTag(); ok {
		return d.element(tag)
	}
	first, err := d.peek()
	if err != nil {
		return err
	}
	switch first {
	case '?':
		return d.skipTo("?>")
	case '!':
		return d.declaration()
	}
	tag, err := d.tag()
	if err != nil {
		return err
	}
	return d.element(tag)
}

// plainTag returns the inside of a tag that is in the window as a whole and has neither attributes nor blanks:
// nearly all of them. They are too short for the machinery that finds the others.
func (d *decoder) plainTag() ([]byte, bool) {
	const longest = 64
	ahead := d.buf[d.pos:min(d.end, d.pos+longest)]
	for i, c := range ahead {
		switch c {
		case '>':
			d.pos += i + 1
			return ahead[:i], i > 0
		case '"', '\'', ' ', '\t', '\r', '\n', '?', '!':
			return nil, false
		}
	}
	return nil, false
}

// element handles a tag by what is inside of it.
func (d *decoder) element(tag []byte) error {
	if tag[0] == '/' {
		return d.close(trimBlanks(tag[1:]))
	}
	selfClosing := tag[len(tag)-1] == '/'
	if selfClosing {
		tag = tag[:len(tag)-1]
	}
	if i := blank(tag); i >= 0 {
		tag = tag[:i]
	}
	name := localName(tag)
	if len(name) == 0 {
		return d.fail("a tag without a name")
	}
	if err := d.open(tag, name); err != nil {
		return err
	}
	if selfClosing {
		return d.closeTop()
	}
	return d.leafAtOnce(tag)
}

// leafAtOnce reads a leaf to its end when all of it is in the window and it holds nothing but plain text.
func (d *decoder) leafAtOnce(tag []byte) error {
	if !d.leaf() {
		return nil
	}
	ahead := d.buf[d.pos:d.end]
	i := bytes.IndexByte(ahead, '<')
	last := i + len("</") + len(tag)
	if i < 0 || last >= len(ahead) || ahead[i+1] != '/' || ahead[last] != '>' || string(ahead[i+2:last]) != string(tag) {
		return nil
	}
	text := ahead[:i]
	top := d.stack[len(d.stack)-1].element
	if top == etag {
		text = plainQuotes(text)
	}
	if bytes.IndexByte(text, '&') >= 0 || bytes.IndexByte(text, '\r') >= 0 {
		return nil // the long way
	}
	d.pos += last + 1
	d.stack = d.stack[:len(d.stack)-1]
	return d.value(top, text)
}

// plainQuotes returns an ETag without the quotes around it, which most stores write as entities.
func plainQuotes(text []byte) []byte {
	const quote = "&quot;"
	if len(text) < 2*len(quote) || string(text[:len(quote)]) != quote || string(text[len(text)-len(quote):]) != quote {
		return text
	}
	inner := text[len(quote) : len(text)-len(quote)]
	if bytes.IndexByte(inner, '"') >= 0 {
		return text // these are part of it
	}
	return inner
}

func blank(b []byte) int {
	for i, c := range b {
		if c == ' ' || c == '\t' || c == '\r' || c == '\n' {
			return i
		}
	}
	return -1
}

func trimBlanks(b []byte) []byte {
	for len(b) > 0 && blank(b[len(b)-1:]) == 0 {
		b = b[:len(b)-1]
	}
	return b
}

// tag returns the inside of a tag. A ">" inside a quoted attribute does not end it.
func (d *decoder) tag() ([]byte, error) {
	tag, err := d.until('>')
	if err == io.EOF {
		return nil, d.fail("the document ends inside a tag")
	}
	if err != nil {
		return nil, err
	}
	if len(tag) == 0 {
		return nil, d.fail("an empty tag")
	}
	if bytes.IndexByte(tag, '"') < 0 && bytes.IndexByte(tag, '\'') < 0 {
		return tag, nil
	}
	var whole []byte
	for !balanced(append(whole, tag...)) {
		whole = append(append(whole, tag...), '>')
		if len(whole) > window {
			return nil, d.fail("a tag is longer than %d bytes", window)
		}
		if tag, err = d.until('>'); err != nil {
			return nil, d.fail("the document ends inside a tag")
		}
	}
	if whole == nil {
		return tag, nil
	}
	return append(whole, tag...), nil
}

func balanced(tag []byte) bool {
	var quote byte
	for _, c := range tag {
		switch {
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case c == quote:
			quote = 0
		}
	}
	return quote == 0
}

func localName(name []byte) []byte {
	if i := bytes.IndexByte(name, ':'); i >= 0 {
		return name[i+1:]
	}
	return name
}

func (d *decoder) peek() (byte, error) {
	for d.pos == d.end {
		if d.eof {
			return 0, d.fail("the document ends inside a tag")
		}
		if err := d.fill(); err != nil {
			return 0, err
		}
	}
	return d.buf[d.pos], nil
}

// skipTo steps over everything up to and including the end mark.
func (d *decoder) skipTo(mark string) error {
	last := mark[len(mark)-1]
	var tail []byte
	for {
		part, err := d.until(last)
		if err == io.EOF {
			return d.fail("%q is missing", mark)
		}
		if err != nil {
			return err
		}
		tail = append(append(tail, part...), last)
		if bytes.HasSuffix(tail, []byte(mark)) {
			return nil
		}
		tail = tail[max(0, len(tail)-len(mark)):]
	}
}

// declaration reads what begins with "<!": a comment or a CDATA section. Document types are refused: no store sends them,
// and they can define entities.
func (d *decoder) declaration() error {
	const cdata = "![CDATA["
	for d.end-d.pos < len(cdata) && !d.eof {
		if err := d.fill(); err != nil {
			return err
		}
	}
	rest := d.buf[d.pos:d.end]
	switch {
	case bytes.HasPrefix(rest, []byte("!--")):
		d.pos += len("!--")
		return d.skipTo("-->")
	case bytes.HasPrefix(rest, []byte(cdata)):
		d.pos += len(cdata)
		return d.cdata()
	}
	return d.fail("a declaration, which listings do not have")
}

func (d *decoder) cdata() error {
	for {
		part, err := d.until('>')
		if err == io.EOF {
			return d.fail("]]> is missing")
		}
		if err != nil {
			return err
		}
		ended := bytes.HasSuffix(part, []byte("]]"))
		if d.leaf() {
			d.text = appendNormalized(d.text, part)
			if !ended {
				d.text = append(d.text, '>')
			}
			if bytes.HasSuffix(d.text, []byte("]]")) && ended {
				d.text = d.text[:len(d.text)-2]
			}
		}
		if ended {
			return nil
		}
		if len(d.text) > window {
			return d.fail("a text is longer than %d bytes", window)
		}
	}
}
