package estimate

import (
	"cmp"
	"strings"

	"github.com/datatransferhub/dth/worker/job"
)

// transfer writes what the transfer costs once.
func (b *bill) transfer(c *counter, d Duration) {
	b.source(c)
	b.destination(c)
	b.traffic(c)
	if b.in.Fleet.MaxWorkers > 0 {
		b.stack(c, d)
	}
}

func (b *bill) source(c *counter) {
	s, at := &c.out.Source, string(b.in.Job.Source.Provider)
	b.add("source: list", at+".list", b.in.SourceRegion, calls(s.List), "")
	b.add("source: get and head", at+".get", b.in.SourceRegion, calls(s.Get, s.Head, s.Tags), "")
}

// destination writes the calls that write. The beginning and the parts of an upload into the classes that need a restore are
// billed as STANDARD, its completion as the class.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
func (b *bill) destination(c *counter) {
	d, at, region := &c.out.Destination, string(b.in.Job.Destination.Provider), b.in.DestinationRegion
	b.add("destination: list", at+".list", region, calls(d.List), "")
	uploads := calls(d.Create, d.Part, d.CopyPart)
	if at != string(job.AmazonS3) {
		b.add("destination: put", at+".put", region, calls(d.Put, d.Copy, d.Create, d.Part, d.CopyPart, d.Complete), "")
		b.add("destination: delete", at+".delete", region, calls(d.Delete), "")
		return
	}
	class := b.class()
	id := at + ".put." + class
	switch class {
	case "GLACIER", "DEEP_ARCHIVE":
		b.add("destination: put, "+class, id, region, calls(d.Put, d.Copy, d.Complete), "")
		b.add("destination: parts", at+".put.STANDARD", region, uploads, "parts are billed as STANDARD until the upload is completed")
	default:
		b.add("destination: put, "+class, id, region, calls(d.Put, d.Copy, d.Create, d.Part, d.CopyPart, d.Complete), "")
	}
}

// class is the storage class that objects are written in.
func (b *bill) class() string { return cmp.Or(b.in.Job.Write.StorageClass, "STANDARD") }

// place is where bytes come from or go to: a region of AWS, another provider, or nowhere that sends bills.
type place struct {
	provider job.Provider // empty: a machine that is no instance
	region   string       // of AWS
}

func (p place) aws() bool { return p.provider == job.AmazonS3 }

// traffic writes what the bytes cost on their way: whoever they leave bills them.
func (b *bill) traffic(c *counter) {
	in := b.in
	from := place{in.Job.Source.Provider, in.SourceRegion}
	to := place{in.Job.Destination.Provider, in.DestinationRegion}
	if c.serverSide {
		b.leg("traffic: source to destination", from, to)
		return
	}
	via, name := place{}, "this machine"
	if in.Fleet.MaxWorkers > 0 {
		via, name = place{job.AmazonS3, in.Fleet.Region}, "workers"
	}
	b.leg("traffic: source to "+name, from, via)
	b.leg("traffic: "+name+" to destination", via, to)
}

func (b *bill) leg(item string, from, to place) {
	bytes := exactly(float64(b.in.Work.Bytes))
	switch {
	case from.aws() && to.aws() && from.region == to.region:
		return // within a region it costs nothing
	case from.aws() && to.aws() && partition(from.region) == partition(to.region):
		b.add(item, "Amazon_S3.egress.region", from.region, bytes, "between regions")
	case from.aws():
		b.add(item, "Amazon_S3.egress.internet", from.region, bytes, "to the internet, as if nothing else had gone there this month")
	case from.provider == "":
		b.add(item, ownLine, "", bytes, "")
	case !to.aws() && from.provider == to.provider && from.provider != job.S3Compatible:
		b.add(item, string(from.provider)+".egress", "", bytes, "as if over the internet")
	default:
		b.add(item, string(from.provider)+".egress", "", bytes, "")
	}
}

// partition tells regions apart that have nothing to do with each other.
func partition(region string) string {
	p, _ := unpricedOf(region)
	return p.Prefix
}

// stack writes what the stack's services cost.
func (b *bill) stack(c *counter, d Duration) {
	at := b.in.Fleet.Region
	q, t := &c.out.Queue, &c.out.Tables
	b.add("queue", "SQS.requests", at, calls(q.Send, q.Receive, q.Delete), "")
	b.add("tables: writes", "DynamoDB.writes", at, calls(t.WriteUnits), "")
	b.add("tables: reads", "DynamoDB.reads", at, calls(t.ReadUnits), "")
	b.add("workers", "EC2."+b.in.Fleet.Instance, at, d.WorkerHours, "on demand; Spot is cheaper")
	b.add("finder", "EC2."+b.in.Fleet.Finder, at, d.FinderHours, "the pass and the proof")
	b.looks(c, d)
	b.add("logs", "CloudWatch.logs", at, b.logs(c, d), "")
}

// looks writes what those cost that look after runs and giants: state machines, and the functions that they call.
func (b *bill) looks(c *counter, d Duration) {
	a, at := &b.in.Assume, b.in.Fleet.Region
	often := 1 / a.Look.Seconds()
	calls := d.Seconds.times(often)
	b.add("monitor of runs", "StepFunctions.transitions", at, calls.times(a.Transitions), "")
	if b.in.Work.Giants > 0 && !c.serverSide {
		giants := d.Copy.times(often).add(1)
		b.add("controller of giants", "StepFunctions.transitions", at, giants.times(a.Transitions), "")
		calls = calls.plus(giants)
	}
	calls = calls.add(2) // start the finder, for the pass and for the proof
	b.add("functions: calls", "Lambda.requests", at, calls, "")
	b.add("functions: time", "Lambda.compute", at, calls.times(a.FunctionSize), "")
}

// logs returns the bytes of log: a line an object, as far as workers write them all.
func (b *bill) logs(c *counter, d Duration) Range {
	a := &b.in.Assume
	objects := float64(c.settled())
	lines := Range{d.Copy.Low * float64(d.Workers.Low), d.Copy.High * float64(d.Workers.High)}.times(a.LinesPerSecond)
	return lines.atLeast(a.LinesPerSecond).atMost(objects).times(a.LineBytes)
}

// monthly writes what follows from the transfer each month.
func (b *bill) monthly(c *counter) {
	b.storage()
	if b.in.Fleet.MaxWorkers == 0 {
		return
	}
	records := exactly(float64(c.settled()) * b.in.Assume.RecordBytes)
	b.add("ledger", "DynamoDB.storage", b.in.Fleet.Region, records, "")
	b.add("ledger: point-in-time recovery", "DynamoDB.recovery", b.in.Fleet.Region, records, "")
}

// Archived objects take this much more: an index that is billed as STANDARD, and data of their class.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html
const (
	archiveIndex = 8 << 10
	archiveData  = 32 << 10
)

// storage writes what the copies cost to keep.
func (b *bill) storage() {
	w, at, region := &b.in.Work, string(b.in.Job.Destination.Provider), b.in.DestinationRegion
	if at != string(job.AmazonS3) {
		b.add("storage", at+".storage", region, exactly(float64(w.Bytes)), "")
		return
	}
	class := b.class()
	id, bytes, note := at+".storage."+class, w.Bytes, ""
	switch class {
	case "STANDARD_IA", "ONEZONE_IA", "GLACIER_IR":
		if w.Tiny > 0 {
			bytes += w.Tiny*SmallestBilled - w.TinyBytes
			note = "smaller objects are billed as 128 KiB"
		}
	case "GLACIER", "DEEP_ARCHIVE":
		bytes += w.Objects * archiveData
		note = "with 32 KiB an object"
		b.add("storage: names of archived objects", at+".storage.STANDARD", region, exactly(float64(w.Objects*archiveIndex)), "8 KiB an object")
	case "INTELLIGENT_TIERING":
		b.add("storage: monitoring", at+".monitoring", region, exactly(float64(w.Objects-w.Tiny)), "of objects of 128 KiB and more")
		note = "in the tier for frequent access"
	}
	b.add("storage, "+class, id, region, exactly(float64(bytes)), note)
}

// notIncluded names costs that no item stands for.
func notIncluded(in *Input) []string {
	out := []string{
		"taxes, discounts, free tiers, and what else the accounts use of them",
		"requests that are repeated after failures or because a store is busy",
		"storage and early deletion of what is replaced or deleted, and of unfinished uploads",
	}
	if in.Job.Source.Provider != job.S3Compatible {
		out = append(out, "retrieval fees of the source's storage class; its reads are priced as those of the standard one")
	}
	if in.Fleet.MaxWorkers > 0 {
		out = append(out, "NAT gateways, which bill every GB (gateway endpoints to S3 and DynamoDB are free of charge), interface endpoints, public addresses, traffic between zones, root volumes",
			"what the stack costs when it copies nothing")
	}
	if strings.HasPrefix(in.Job.Write.SSE, "aws:kms") {
		out = append(out, "KMS requests")
	}
	if in.ServerSide() && in.Job.Mode != job.ModeServerSide {
		out = append(out, "copies through workers, which take the place of server-side ones where the destination may not read the source")
	}
	return out
}
