package s3sim

import "time"

const (
	xmlHeader = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	xmlns     = ` xmlns="http://s3.amazonaws.com/doc/2006-03-01/"`
)

func element(dst []byte, name, value string) []byte {
	dst = append(dst, '<')
	dst = append(dst, name...)
	dst = append(dst, '>')
	dst = escapeXML(dst, []byte(value))
	dst = append(dst, '<', '/')
	dst = append(dst, name...)
	return append(dst, '>')
}

// plain has the bytes that neither XML nor a URL-encoded key changes.
var plain = func() (t [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._*/") {
		t[c] = true
	}
	return t
}()

// escapeXML writes text as Amazon S3 does: what XML 1.0 cannot express comes as a character reference that a
// strict reader refuses.
func escapeXML(dst, text []byte) []byte {
	from := 0
	for i, c := range text {
		if plain[c] {
			continue
		}
		var with string
		switch c {
		case '&':
			with = "&amp;"
		case '<':
			with = "&lt;"
		case '>':
			with = "&gt;"
		case '"':
			with = "&quot;"
		case '\r':
			with = "&#13;"
		default:
			if c >= 0x20 || c == '\n' || c == '\t' {
				continue
			}
			with = "&#x" + string(hexDigits[c>>4]) + string(hexDigits[c&15]) + ";"
		}
		dst = append(dst, text[from:i]...)
		dst = append(dst, with...)
		from = i + 1
	}
	return append(dst, text[from:]...)
}

const hexDigits = "0123456789ABCDEF"

// escapeURL writes a key as encoding-type=url does: a space becomes a plus sign, slashes stay.
func escapeURL(dst, text []byte) []byte {
	from := 0
	for i, c := range text {
		if plain[c] {
			continue
		}
		dst = append(dst, text[from:i]...)
		from = i + 1
		if c == ' ' {
			dst = append(dst, '+')
		} else {
			dst = append(dst, '%', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return append(dst, text[from:]...)
}

func appendTime(dst []byte, t time.Time) []byte {
	return t.UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z")
}
