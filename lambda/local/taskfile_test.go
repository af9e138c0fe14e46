package local

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const goodTask = `
tasks:
  - name: photos
    schedule: cron(0 3 * * ? *)
    parameters:
      srcType: S3_Compatible
      srcEndpoint: http://127.0.0.1:9000
      srcBucket: photos
      srcCredentials: nas
      destType: Amazon_S3
      destBucket: backup
      destRegion: eu-west-1
    destProfile: backup
`

func TestParseTasks(t *testing.T) {
	tasks, err := ParseTasks([]byte(goodTask))
	if err != nil {
		t.Fatal(err)
	}
	if len(tasks) != 1 || tasks[0].Job.Source.Bucket != "photos" || tasks[0].Job.Destination.Access.Profile != "backup" || tasks[0].Ticks == nil {
		t.Errorf("parsed %+v", tasks)
	}
	for _, c := range []struct{ name, from, to, want string }{
		{"unknown field", "schedule:", "shedule:", "shedule"},
		{"unknown parameter", "srcBucket:", "srcBuket:", "srcBuket"},
		{"bad schedule", "cron(0 3 * * ? *)", "cron(0 25 * * ? *)", "schedule"},
		{"bad name", "name: photos", "name: Photos!", `"Photos!"`},
		{"no name", "name: photos", "name: ''", "task 1"},
		{"bad bucket", "srcBucket: photos", "srcBucket: _", "srcBucket"},
		{"file without events", "    destProfile", "    events: {file: /tmp/x}\n    destProfile", "srcEvent"},
		{"polling too often", "    destProfile", "    events: {poll: 5ms}\n    destProfile", "1s or more"},
		{"both kinds of events", "    destProfile", "    events: {poll: 5s, file: x}\n    destProfile", "not both"},
		{"two of one name", "tasks:\n", "tasks:\n  - name: photos\n", "another task has this name"},
		{"nothing", goodTask, "", "no task"},
		{"no YAML", "tasks:", "tasks: [", "task file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseTasks([]byte(strings.Replace(goodTask, c.from, c.to, 1)))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v does not name %s", err, c.want)
			}
		})
	}
}

func FuzzParseTasks(f *testing.F) {
	f.Add([]byte(goodTask))
	f.Add([]byte(`{"tasks":[{"name":"a","parameters":{"srcBucket":"b"}}]}`))
	f.Add([]byte("tasks:\n- &a {name: x}\n- *a"))
	f.Fuzz(func(t *testing.T, document []byte) {
		tasks, err := ParseTasks(document)
		if err != nil {
			return
		}
		for _, task := range tasks {
			if task.Job == nil || task.Name == "" {
				t.Errorf("task %+v is half made", task)
			}
		}
	})
}

func TestSecrets(t *testing.T) {
	dir := t.TempDir()
	s := Secrets{Dir: dir, Env: func(name string) (string, bool) { return "from the environment", name == "DTH_SECRET_MY_NAS_1" }}
	write := func(name string, mode os.FileMode) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("from the file"), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("nas.json", 0o600)
	write("open.json", 0o644)
	for _, c := range []struct{ name, want, wrong string }{
		{"nas", "from the file", ""},
		{"my-nas.1", "from the environment", ""},
		{"open", "", "chmod 600"},
		{"absent", "", "DTH_SECRET_ABSENT"},
		{"../nas", "", "letters"},
		{"", "", "letters"},
	} {
		got, err := s.Secret(context.Background(), c.name)
		if got != c.want || (err == nil) != (c.wrong == "") || err != nil && !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("secret %q is %q, error %v", c.name, got, err)
		}
	}
}
