package contract

import (
	"strings"
	"testing"
)

func TestCheckUpdate(t *testing.T) {
	c := sample()
	c.Parameters[8].OnUpdate, c.Parameters[10].OnUpdate = Replaced, Replaced // list and cron
	for _, tt := range []struct {
		name          string
		before, after map[string]string
		refused       string
	}{
		{"nothing changes", map[string]string{"kind": "a", "name": "x"}, map[string]string{"kind": "a", "name": "x"}, ""},
		{"what may change", map[string]string{"name": "x", "count": "1"}, map[string]string{"name": "y", "size": "1MiB"}, ""},
		{"what may not", map[string]string{"kind": "a"}, map[string]string{"kind": "b"}, `kind: "b": this task has "a", and it cannot be changed: create another task`},
		{"a default that is written down", map[string]string{}, map[string]string{"kind": "a", "list": ""}, ""},
		{"a default that is left", map[string]string{"kind": "b"}, nil, `kind: "a"`},
		{"a value is taken away", map[string]string{"list": "a,b"}, map[string]string{"list": ""}, `list: this task has "a,b"`},
		{"several", map[string]string{"list": "a"}, map[string]string{"list": "b", "kind": "b"}, "kind: \"b\": this task has \"a\", and it cannot be changed: create another task\nlist: "},
		{"no schedule is another than the usual", map[string]string{"cron": ""}, map[string]string{}, "cron: "},
		{"a long value", map[string]string{"list": strings.Repeat("x", 1000)}, nil, "xxx…"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := c.CheckUpdate(tt.before, tt.after)
			if (err == nil) != (tt.refused == "") || err != nil && (!strings.Contains(err.Error(), tt.refused) || len(err.Error()) > 400) {
				t.Errorf("the error says %v", err)
			}
		})
	}
}
