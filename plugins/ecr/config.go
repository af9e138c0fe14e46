package ecr

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/datatransferhub/dth/plugins/contract"
)

// MaxDocument is the longest configuration document, in bytes.
const MaxDocument = 256 << 10

// Config is the configuration document of the plugin's programs.
type Config struct {
	StackName   string            `json:"stackName"`
	Region      string            `json:"region"`  // of the stack
	Account     string            `json:"account"` // of the stack
	RecordTable string            `json:"recordTable"`
	RunTable    string            `json:"runTable"`
	Bucket      string            `json:"bucket"` // of work lists
	Parameters  map[string]string `json:"parameters"`

	// Values are all parameters, with the defaults.
	Values contract.Values `json:"-"`
}

// ParseConfig reads a configuration document and checks all of it. The error names everything that is wrong.
func ParseConfig(document []byte) (*Config, error) {
	var c Config
	d := json.NewDecoder(bytes.NewReader(document))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return nil, fmt.Errorf("the configuration is no JSON object of texts and parameters: %w", err)
	}
	for _, f := range []struct{ name, value string }{{"region", c.Region}, {"recordTable", c.RecordTable}, {"runTable", c.RunTable}, {"bucket", c.Bucket}} {
		if f.value == "" {
			return nil, fmt.Errorf("%s is required", f.name)
		}
	}
	values, err := At(c.Account, c.Region).Validate(c.Parameters)
	if err != nil {
		return nil, err
	}
	c.Values = values
	return &c, nil
}
