package older

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/datatransferhub/dth/plugins/contract"
	"github.com/datatransferhub/dth/plugins/s3"
)

// Change is one parameter of the older file and what became of it.
type Change struct {
	Name string // in the older file
	New  string // "" where it is dropped
	Why  string
}

// Result is a converted file.
type Result struct {
	Parameters map[string]string // given ones only; what is left out has the plugin's default
	Kept       []string
	Renamed    []Change
	Dropped    []Change
	Unknown    []string
	Notes      []string // what works otherwise than before
	Samples    []Sample
}

// renamed are names that older templates used before the present ones were established.
func renamed() map[string]Change {
	const secret = "the older one named a parameter of the Parameter Store; put the same JSON into a secret of Secrets Manager and name that"
	return map[string]Change{
		"sourceType":                    {New: "srcType"},
		"srcBucketName":                 {New: "srcBucket"},
		"srcBucketPrefix":               {New: "srcPrefix"},
		"srcRegionName":                 {New: "srcRegion"},
		"sourceInAccount":               {New: "srcInCurrentAccount"},
		"srcCredentialsParameterStore":  {New: "srcCredentials", Why: secret},
		"enableS3Event":                 {New: "srcEvent"},
		"destBucketName":                {New: "destBucket"},
		"destBucketPrefix":              {New: "destPrefix"},
		"destRegionName":                {New: "destRegion"},
		"destInAccount":                 {New: "destInCurrentAccount"},
		"destCredentialsParameterStore": {New: "destCredentials", Why: secret},
		"ecsVpcId":                      {New: "ec2VpcId"},
		"ecsSubnets":                    {New: "ec2Subnets"},
		"ecsCronExpression":             {New: "ec2CronExpression"},
	}
}

// dropped are parameters that have no successor, with the reason.
func dropped() map[string]string {
	const (
		ranges = "the finder finds ranges of keys by itself and lists them in parallel"
		memory = "the finder's memory does not grow with the number of objects; finderInstanceType chooses another machine"
		sizes  = "parts are as large as the object needs; giantThreshold says from which size the fleet shares an object"
		ecs    = "finder and workers run on EC2; no cluster is needed"
	)
	return map[string]string{
		"finderDepth": ranges, "finderNumber": ranges,
		"finderEc2Memory": memory, "ecsFargateMemory": memory,
		"ecsClusterName":     ecs,
		"workerNumber":       "workers adapt the number of transfers to what both ends take; workerConcurrency bounds it",
		"maxThreads":         "workers adapt the number of transfers to what both ends take; workerConcurrency bounds it",
		"lambdaMemory":       "objects are copied on EC2, not by Lambda",
		"multipartThreshold": sizes, "chunkSize": sizes,
	}
}

// Convert turns an older file into the plugin's parameters. override replaces or adds values before they are checked. The
// error is contract.Errors when the plugin refuses a value; the result tells what was done also then.
func Convert(f *File, override map[string]string) (*Result, error) {
	r := &Result{Parameters: map[string]string{}}
	c := s3.Contract()
	if err := r.sort(f, c); err != nil {
		return r, err
	}
	r.adapt()
	for name, value := range override {
		r.Parameters[name] = value
	}
	v, err := c.Validate(r.Parameters)
	if err != nil {
		return r, err
	}
	r.remark(f, v)
	r.Samples = samples(v)
	return r, nil
}

// sort gives every parameter of the older file its place.
func (r *Result) sort(f *File, c *contract.Contract) error {
	renames, drops := renamed(), dropped()
	for _, name := range f.Names {
		change, isRenamed := renames[name]
		why, isDropped := drops[name]
		_, known := c.Find(name)
		switch {
		case isRenamed:
			change.Name = name
			r.Renamed = append(r.Renamed, change)
			name = change.New
		case isDropped:
			r.Dropped = append(r.Dropped, Change{Name: name, Why: why})
			continue
		case known:
			r.Kept = append(r.Kept, name)
		default:
			r.Unknown = append(r.Unknown, name)
			continue
		}
		if _, twice := r.Parameters[name]; twice {
			return fmt.Errorf("the file gives %s under its present and under an older name; remove one", name)
		}
		r.Parameters[name] = f.value(name, renames)
	}
	return nil
}

// value returns the value that the file gives a present name, by whichever of its names.
func (f *File) value(name string, renames map[string]Change) string {
	if value, ok := f.Values[name]; ok {
		return value
	}
	for older, change := range renames {
		if value, ok := f.Values[older]; ok && change.New == name {
			return value
		}
	}
	return ""
}

// adapt changes the values that the older tool understood otherwise, so that the task does the same.
func (r *Result) adapt() {
	p := r.Parameters
	if host := hostOf(p["srcEndpoint"]); host != "" && (p["srcType"] == "" || p["srcType"] == "Amazon_S3") && !isAmazon(host) {
		p["srcType"] = "S3_Compatible"
		r.note("srcType is S3_Compatible: the older tool wanted Amazon_S3 for every address of one's own, and %s is none of Amazon's", host)
	}
	for _, side := range []string{"src", "dest"} {
		if p[side+"InCurrentAccount"] == "true" && p[side+"Credentials"] != "" {
			r.drop(side+"Credentials", "the older tool did not use it for a bucket of its own account")
		}
	}
	if p["destPutObjectSSEKmsKeyId"] != "" && p["destPutObjectSSEType"] != "AWS_KMS" {
		r.drop("destPutObjectSSEKmsKeyId", "the older tool used it with AWS_KMS only")
	}
	if p["ec2CronExpression"] == "0/60 * * * ? *" {
		p["ec2CronExpression"] = "0 * * * ? *" // the same minutes, as they are usually written
	}
}

func (r *Result) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

func (r *Result) drop(name, why string) {
	delete(r.Parameters, name)
	r.Kept = slices.DeleteFunc(r.Kept, func(kept string) bool { return kept == name })
	r.Dropped = append(r.Dropped, Change{Name: name, Why: why})
}

func hostOf(address string) string {
	if address != "" && !strings.Contains(address, "://") {
		address = "https://" + address
	}
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}

func isAmazon(host string) bool {
	for _, suffix := range []string{".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu", ".api.aws"} {
		if strings.HasSuffix(host, suffix) {
			return true
		}
	}
	return false
}

// remark says what works otherwise although the parameters are the same.
func (r *Result) remark(f *File, v contract.Values) {
	for _, name := range []string{"minCapacity", "desiredCapacity"} {
		if _, given := f.Values[name]; !given && v.Integer(name) == 0 {
			r.note("%s is not in the file: the older template took 1, this one takes 0, and starts a worker when there is work", name)
		}
	}
	if v["srcInCurrentAccount"] != "true" && v["srcCredentials"] == "" && v["srcRoleArn"] == "" {
		r.note("the source bucket is of another account, without credentials: the older tool read it unsigned, this one signs with the task's own role, which a public bucket allows, too")
	}
	if v["destInCurrentAccount"] != "true" && v["destCredentials"] == "" && v["destRoleArn"] == "" {
		r.note("the destination bucket is of another account, without credentials: the task's own role needs rights there; dth policy prints the bucket's policy")
	}
	if v["compareMode"] == "size_etag" {
		r.note("objects are compared by size and ETag; the older tool looked at the size alone. Same-size edits that it missed are copied now; --param compareMode=size does as before")
	}
}

// Entry is one parameter as CloudFormation's tools read it.
type Entry struct {
	ParameterKey   string
	ParameterValue string
}

// JSON returns the parameters as `aws cloudformation deploy --parameter-overrides file://...` and create-stack take them, in
// the order of the contract.
func (r *Result) JSON() ([]byte, error) {
	entries := []Entry{}
	c := s3.Contract()
	for i := range c.Parameters {
		if value, ok := r.Parameters[c.Parameters[i].Name]; ok {
			entries = append(entries, Entry{c.Parameters[i].Name, value})
		}
	}
	text, err := json.MarshalIndent(entries, "", "  ")
	return append(text, '\n'), err
}
