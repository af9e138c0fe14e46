package grant

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/datatransferhub/dth/plugins/s3"
	"github.com/datatransferhub/dth/plugins/s3/pattern"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/partition"
	"github.com/datatransferhub/dth/worker/store/storeaws"
)

// source is what the task reads. Versions and tags only where they are asked for.
func (t *Task) source(own partition.Partition) (*end, error) {
	j, rights := t.Job, storeaws.ReaderRights()
	e := &end{name: "source", at: j.Source, owner: cmp.Or(t.SourceAccount, t.Account), bucket: rights.Bucket, kms: t.SourceKeys, kmsAction: []string{"kms:Decrypt"}, unnamed: len(t.SourceKeys) > 0}
	events := j.Events != "" && j.Events != job.EventsNone
	e.objects = without(rights.Objects, map[string]bool{
		"s3:GetObjectVersion": !events, "s3:GetObjectTagging": !j.IncludeTags, "s3:GetObjectVersionTagging": !j.IncludeTags || !events,
	})
	if err := e.place(own, t.Region); err != nil {
		return nil, err
	}
	e.keys = selected(j)
	if events {
		e.extra = append(e.extra, Statement{
			Sid: "Notifications", Action: []string{"s3:GetBucketNotification", "s3:PutBucketNotification"}, Resource: []string{e.arn("")},
		})
	}
	if key := j.Selection.PrefixFileKey; key != "" {
		list := e.arn("/" + pattern.Key(key))
		if at := j.Selection.PrefixFileBucket; at != "" {
			list = "arn:" + e.partition.Name + ":s3:::" + at + "/" + pattern.Key(key)
		}
		e.extra = append(e.extra, Statement{Sid: "PrefixList", Action: []string{"s3:GetObject"}, Resource: []string{list}})
	}
	return e, nil
}

// selected returns patterns of the keys that are read.
func selected(j *job.Job) []string {
	if j.Selection.PrefixFileKey != "" {
		return []string{"*"} // known when it is read
	}
	prefixes := j.Selection.Prefixes
	if len(prefixes) == 0 {
		prefixes = []string{j.Source.Prefix}
	}
	var out []string
	for _, prefix := range prefixes {
		if _, _, named := s3.ListObject(prefix); named {
			return []string{"*"} // likewise
		}
		out = append(out, pattern.Prefix(prefix))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// destination is what the task writes. ACLs, tags and deletes only where they are asked for.
func (t *Task) destination(own partition.Partition) (*end, error) {
	j, rights := t.Job, storeaws.WriterRights()
	e := &end{
		name: "destination", at: j.Destination, owner: cmp.Or(t.DestinationAccount, t.Account), bucket: rights.Bucket,
		kms: slices.Clone(t.DestinationKeys), kmsAction: []string{"kms:Decrypt", "kms:GenerateDataKey"}, unnamed: len(t.DestinationKeys) > 0,
	}
	e.objects = without(rights.Objects, map[string]bool{
		"s3:PutObjectAcl": j.Write.ACL == "", "s3:PutObjectTagging": !j.IncludeTags,
		"s3:DeleteObject": !j.DeleteExtraneous && j.Events != job.EventsCreateAndDelete,
	})
	if err := e.place(own, t.Region); err != nil {
		return nil, err
	}
	e.keys = []string{pattern.Prefix(j.KeyMap().Add)}
	if j.ReportBucket != "" {
		e.extra = append(e.extra, Statement{
			Sid: "Reports", Action: []string{"s3:PutObject"},
			Resource: []string{"arn:" + e.partition.Name + ":s3:::" + j.ReportBucket + "/" + pattern.Prefix(j.ReportPrefix)},
		})
	}
	return e, e.nameKey(j.Write.KMSKeyID)
}

// nameKey adds the key that the job names by id, ARN or alias.
func (e *end) nameKey(id string) error {
	switch {
	case id == "" || e.at.Provider != job.AmazonS3:
		return nil
	case keyForm.MatchString(id):
		e.kms = append(e.kms, id)
	case strings.Contains(id, "alias/"):
		of, name, _ := strings.Cut(id, "alias/")
		if of == "" {
			of = "arn:" + e.partition.Name + ":kms:" + e.region + ":" + cmp.Or(e.owner, "*") + ":"
		}
		e.extra = append(e.extra, Statement{
			Sid: "KeyByAlias", Action: e.kmsAction, Resource: []string{of + "key/*"},
			Condition: map[string]map[string][]string{
				"ForAnyValue:StringEquals": {"kms:ResourceAliases": {"alias/" + name}}, "StringEquals": {"kms:ViaService": e.viaS3()},
			},
		})
	case e.owner == "":
		return fmt.Errorf("destination: KMS key %q is an id; give its ARN, or the account that the task runs in", id)
	default:
		e.kms = append(e.kms, "arn:"+e.partition.Name+":kms:"+e.region+":"+e.owner+":key/"+id)
	}
	return nil
}

// place finds out where the bucket is.
func (e *end) place(own partition.Partition, region string) error {
	e.region, e.partition = cmp.Or(e.at.Region, region), own
	if e.at.Provider != job.AmazonS3 {
		return nil
	}
	p, err := partition.Of(e.region)
	if err != nil {
		return fmt.Errorf("region of the %s: %w", e.name, err)
	}
	e.partition = p
	return nil
}

// without leaves out the actions whose entry is true.
func without(actions []string, left map[string]bool) []string {
	return slices.DeleteFunc(slices.Clone(actions), func(action string) bool { return left[action] })
}

func (e *end) arn(rest string) string {
	return "arn:" + e.partition.Name + ":s3:::" + e.at.Bucket + rest
}

// statements are the rights on bucket and objects, for an identity's policy or the bucket's.
func (e *end) statements() []Statement {
	var objects []string
	for _, key := range e.keys {
		objects = append(objects, e.arn("/"+key))
	}
	return []Statement{
		{Sid: "Bucket", Action: slices.Sorted(slices.Values(e.bucket)), Resource: []string{e.arn("")}},
		{Sid: "Objects", Action: slices.Sorted(slices.Values(e.objects)), Resource: objects},
	}
}

// identity is the policy of a user or a role.
func (e *end) identity() *Document {
	all := append(e.statements(), e.extra...)
	if len(e.kms) > 0 {
		all = append(all, Statement{
			Sid: "Keys", Action: e.kmsAction, Resource: e.kms,
			Condition: map[string]map[string][]string{"StringEquals": {"kms:ViaService": e.viaS3()}},
		})
	}
	return document(all...)
}

// bucketPolicy holds what concerns this bucket, for a principal.
func (e *end) bucketPolicy(principal map[string]string, condition map[string]map[string][]string) *Document {
	var own []Statement
	for _, s := range append(e.statements(), e.extra...) {
		in := func(resource string) bool { return resource == e.arn("") || strings.HasPrefix(resource, e.arn("/")) }
		if slices.ContainsFunc(s.Resource, in) {
			s.Sid, s.Principal, s.Condition = "DataTransferHub"+s.Sid, principal, condition
			own = append(own, s)
		}
	}
	return document(own...)
}

// viaS3 bounds the use of a key to S3. For China, AWS writes the service's name both ways, so that both are taken.
// https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-via-service
func (e *end) viaS3() []string {
	names := []string{"s3." + e.region + ".amazonaws.com"}
	if e.partition.Suffix != "amazonaws.com" {
		names = append(names, "s3."+e.region+"."+e.partition.Suffix)
	}
	return names
}

// keyPolicies are the statements for the keys of other accounts than the identity's: both sides have to allow those.
func (t *Task) keyPolicies(e *end, account string, principal map[string]string, condition map[string]map[string][]string) []Grant {
	var grants []Grant
	for _, key := range e.kms {
		if accountOf(key) == account {
			continue
		}
		bounds := map[string]map[string][]string{"StringEquals": {"kms:ViaService": e.viaS3()}}
		maps.Copy(bounds, condition)
		grants = append(grants, Grant{End: e.name, Kind: Key, To: "key " + key, Policy: document(Statement{
			Sid: "DataTransferHub", Principal: principal, Action: e.kmsAction, Resource: []string{"*"}, Condition: bounds,
		})})
	}
	return grants
}
