package s3

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/datatransferhub/dth/plugins/contract"
	"github.com/datatransferhub/dth/worker/job"
)

// Config is the configuration document of the plugin's programs.
type Config struct {
	StackName          string            `json:"stackName"`
	Region             string            `json:"region"` // of the queue and the tables
	QueueURL           string            `json:"queueUrl"`
	DeadLetterQueueURL string            `json:"deadLetterQueueUrl"`
	LedgerTable        string            `json:"ledgerTable"`
	RunTable           string            `json:"runTable"`
	ControllerARN      string            `json:"controllerArn"`
	Parameters         map[string]string `json:"parameters"`

	// Job is the transfer that the parameters describe; Values are all of them, with the defaults.
	Job    *job.Job        `json:"-"`
	Values contract.Values `json:"-"`
}

// ParseConfig reads a configuration document and checks all of it. The error names everything that is wrong.
func ParseConfig(document []byte) (*Config, error) {
	var c Config
	d := json.NewDecoder(bytes.NewReader(document))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return nil, fmt.Errorf("the document is not the JSON of a configuration: %w", unknownKey(err))
	}
	if d.More() {
		return nil, errors.New("the document goes on behind its end")
	}
	var missing []error
	for _, f := range []struct{ name, value string }{
		{"queueUrl", c.QueueURL}, {"ledgerTable", c.LedgerTable}, {"runTable", c.RunTable},
	} {
		if f.value == "" {
			missing = append(missing, fmt.Errorf("%s is required", f.name))
		}
	}
	v, err := programs().Validate(c.Parameters)
	if err := errors.Join(append(missing, err)...); err != nil {
		return nil, err
	}
	c.Values, c.Job = v, FromValues(v)
	return &c, nil
}

// programs is the contract as the programs need it: what only the stack needs may be left out.
func programs() *contract.Contract {
	c := Contract()
	for i := range c.Parameters {
		switch c.Parameters[i].Group {
		case GroupFleet, GroupNotification, GroupHousekeeping:
			c.Parameters[i].Required = false
		}
	}
	return c
}

// unknownKey says the decoder's error about a key in the words of the document.
func unknownKey(err error) error {
	if _, key, ok := strings.Cut(err.Error(), "unknown field "); ok {
		return fmt.Errorf("key %s is unknown; allowed are stackName, region, queueUrl, deadLetterQueueUrl, ledgerTable, runTable, controllerArn and parameters", key)
	}
	return err
}
