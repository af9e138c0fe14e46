package control

import (
	"fmt"
	"strconv"

	"github.com/datatransferhub/dth/plugins/s3"
)

// SettingsOf reads what the operations need of a task's configuration document.
func SettingsOf(document []byte) (Settings, error) {
	c, err := s3.ParseConfig(document)
	if err != nil {
		return Settings{}, fmt.Errorf("the stack's configuration: %w", err)
	}
	s := Settings{Deletes: c.Job.Deletes()}
	for name, into := range map[string]*int32{"minCapacity": &s.Capacity.Min, "maxCapacity": &s.Capacity.Max, "desiredCapacity": &s.Capacity.Desired} {
		n, err := strconv.ParseInt(c.Values[name], 10, 32)
		if err != nil {
			return s, fmt.Errorf("the stack's configuration: %s: %q is no whole number", name, c.Values[name])
		}
		*into = int32(n)
	}
	return s, nil
}
