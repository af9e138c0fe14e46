package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
)

// tool is another program that copies between stores, where this machine has it.
type tool struct {
	name string
	// steps copy from source to destination; scratch is an empty folder.
	steps func(b *bench, scratch string) []program
}

func otherTools() []tool {
	return []tool{{"rclone", rclone}, {"s5cmd", s5cmd}, {"aws", awsCLI}}
}

func rclone(b *bench, _ string) []program {
	env := []string{"RCLONE_CONFIG=/dev/null"}
	for end, url := range map[string]string{"SRC": b.Source, "DST": b.Dest} {
		p := "RCLONE_CONFIG_" + end + "_"
		env = append(env, p+"TYPE=s3", p+"PROVIDER=Other", p+"ENDPOINT="+url, p+"ACCESS_KEY_ID=AKBENCH", p+"SECRET_ACCESS_KEY=bench", p+"NO_CHECK_BUCKET=true")
	}
	return []program{{argv: []string{"rclone", "copy", "src:" + bucketName, "dst:" + bucketName, "--transfers", "64", "--checkers", "64"}, env: env}}
}

// s5cmd and the AWS CLI reach one store at a time: they go through a folder.
func s5cmd(b *bench, scratch string) []program {
	return []program{
		{argv: []string{"s5cmd", "--endpoint-url", b.Source, "cp", "s3://" + bucketName + "/*", scratch + "/"}, env: keys},
		{argv: []string{"s5cmd", "--endpoint-url", b.Dest, "cp", scratch + "/", "s3://" + bucketName + "/"}, env: keys},
	}
}

func awsCLI(b *bench, scratch string) []program {
	return []program{
		{argv: []string{"aws", "s3", "sync", "--only-show-errors", "--endpoint-url", b.Source, "s3://" + bucketName, scratch}, env: keys},
		{argv: []string{"aws", "s3", "sync", "--only-show-errors", "--endpoint-url", b.Dest, scratch, "s3://" + bucketName}, env: keys},
	}
}

// run measures a tool; false when this machine lacks it.
func (t *tool) run(ctx context.Context, r *runner, b *bench) (u usage, ok bool, err error) {
	if _, err := exec.LookPath(t.name); err != nil {
		return u, false, nil
	}
	scratch, err := os.MkdirTemp(r.scratch, t.name)
	if err != nil {
		return u, false, err
	}
	defer os.RemoveAll(scratch)
	for _, p := range t.steps(b, filepath.Clean(scratch)) {
		step, err := measure(ctx, p)
		if err != nil {
			return u, true, err
		}
		u.add(step)
	}
	return u, true, nil
}
