package sample

import (
	"fmt"
	"path"
	"strings"
)

// awkward are keys that clients, signatures, listings and shells get wrong. All of them can be held
// by a server that keeps objects as files: none is also the folder of another.
var awkward = []string{
	"awkward/with space.txt",
	"awkward/ leading space",
	"awkward/trailing space ",
	"awkward/two  spaces",
	"awkward/plus+sign+is+not+a+space.txt",
	"awkward/percent%20is%20literal",
	"awkward/percent%2Fslash",
	"awkward/100%",
	"awkward/100%25",
	"awkward/single'quote",
	"awkward/double\"quote",
	"awkward/both'\"quotes",
	"awkward/ampersand&lt;entity&amp;",
	"awkward/<xml>&]]>",
	"awkward/question?mark=1&x=2",
	"awkward/hash#fragment",
	"awkward/semi;colon,comma",
	"awkward/at@sign:colon",
	"awkward/dollar$HOME`id`",
	"awkward/star*glob?[a-z]{b,c}",
	"awkward/back\\slash",
	"awkward/pipe|and>redirect<",
	"awkward/caret^tilde~bang!",
	"awkward/(parentheses)",
	"awkward/equals=sign",
	"awkward/.hidden",
	"awkward/..twodots",
	"awkward/...",
	"awkward/-starts-with-dash",
	"awkward/--help",
	"awkward/tab\tinside",
	"awkward/UPPER.TXT",
	"awkward/upper.txt",
	"awkward/Grüße aus Köln.txt",
	"awkward/cafe\u0301-decomposed",
	"awkward/caf\u00e9-composed",
	"awkward/日本語/ファイル.txt",
	"awkward/中文/文件 一.txt",
	"awkward/العربية/ملف.txt",
	"awkward/עברית.txt",
	"awkward/ไทย.txt",
	"awkward/emoji-🚀-👩‍👩‍👧-🇪🇺.png",
	"awkward/zero\u200bwidth",
	"awkward/nonbreaking\u00a0space",
	"awkward/last-of-the-plane-\uffee",
	"awkward/after-the-plane-𐍈",
	"0",
	"~",
	"!first",
	"日本",
	"plus+at top.txt",
}

// named are the objects that are there for a reason: awkward keys, edges of size, large ones, the one
// that the destination refuses, and the giant.
func named(giant int64) []Object {
	var list []Object
	for i, key := range awkward {
		list = append(list, Object{Key: key, Size: int64(i) * 97})
	}
	list = append(
		list,
		Object{Key: "deep/" + strings.Repeat("down/", 60) + "bottom.txt", Size: 12},
		Object{Key: "long/" + longKey(), Size: 34},
		Object{Key: Refused, Size: 4096},
	)
	for _, size := range []int64{0, 1, 5, 1023, 1024, 65535, 65536, 65537, 1<<20 - 1, 1 << 20} {
		list = append(list, Object{Key: fmt.Sprintf("sizes/%08d.bin", size), Size: size})
	}
	for _, mebibytes := range []int64{8, 16, 24, 32} {
		list = append(list, Object{
			Key:  fmt.Sprintf("videos/clip %02d MiB.mp4", mebibytes),
			Size: mebibytes<<20 + 17, // the last part is a short one
		})
	}
	if giant > 0 {
		list = append(list, Object{Key: Giant, Size: giant})
	}
	return list
}

// longKey fills the 1,024 bytes that a key may have (with its folder), in steps that a file system
// takes as names.
func longKey() string {
	step := strings.Repeat("x", 199) + "/"
	return strings.Repeat(step, 5) + strings.Repeat("y", 1024-len("long/")-5*len(step))
}

var types = map[string]string{
	".txt": "text/plain; charset=utf-8", ".jpg": "image/jpeg", ".png": "image/png", ".webp": "image/webp",
	".pdf": "application/pdf", ".mp4": "video/mp4", ".csv": "text/csv", ".gz": "application/json",
	".parquet": "application/vnd.apache.parquet", ".raw": "application/octet-stream",
}

// dress gives the i-th object its headers, metadata, tags and checksum, in a pattern by which every
// combination occurs.
func dress(o *Object, i int) {
	o.Headers.Type = types[path.Ext(o.Key)]
	if path.Ext(o.Key) == ".gz" {
		o.Headers.Encoding = "gzip"
	}
	switch i % 5 {
	case 1:
		o.Headers.CacheControl = "public, max-age=31536000, immutable"
	case 2:
		o.Headers.Disposition = `attachment; filename="a \"quoted\" name.bin"`
	case 3:
		o.Headers.Language = "de, en"
	}
	if i%3 == 0 {
		o.Metadata = map[string]string{"owner": "team-blue", "sequence": fmt.Sprint(i), "note": "a=b; c, d"}
	}
	if i%7 == 0 {
		o.Tags = map[string]string{"class": "internal", "cost centre": fmt.Sprintf("%d+%d", i%10, i%4)}
	}
	o.Checksum = []string{"", "CRC64NVME", "", "CRC32C", "", "SHA256", "CRC32"}[i%7]
	if o.Size >= PartSize {
		o.Checksum = []string{"", "CRC64NVME"}[i%2]
	}
	if o.Key == Giant {
		o.Checksum = "CRC64NVME"
	}
}
