package estimate

import (
	"cmp"
	"time"
)

// Range is a quantity that is known between two bounds only. In durations and costs Low is the better case.
type Range struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

func exactly(v float64) Range { return Range{v, v} }

func (r Range) plus(o Range) Range      { return Range{r.Low + o.Low, r.High + o.High} }
func (r Range) times(f float64) Range   { return Range{r.Low * f, r.High * f} }
func (r Range) add(v float64) Range     { return Range{r.Low + v, r.High + v} }
func (r Range) atMost(v float64) Range  { return Range{min(r.Low, v), min(r.High, v)} }
func (r Range) atLeast(v float64) Range { return Range{max(r.Low, v), max(r.High, v)} }

// Assumptions are what durations and bookkeeping are computed from. Rates have the worse case as Low. Every field has a
// default, and Sources says where that comes from.
type Assumptions struct {
	// ListPerSecond is how many objects a finder lists and queues a second.
	ListPerSecond Range
	// ObjectsPerSecond is how many small objects a worker copies a second with 64 transfers under way.
	ObjectsPerSecond Range
	// WritesPerSecond is how many objects a second the destination takes of the whole fleet.
	WritesPerSecond Range
	// BandwidthShare is the part of an instance's baseline bandwidth that arrives as objects.
	BandwidthShare Range
	// EdgeBytes is the most that an instance exchanges with other regions and with the internet, in bytes a second.
	EdgeBytes float64
	// DeskBytes is the bandwidth of a machine that is no instance, in bytes a second, and DeskObjects how many small objects it
	// copies a second.
	DeskBytes, DeskObjects Range
	// CopyBytes is how fast a store copies one object by itself, in bytes a second.
	CopyBytes Range

	// MessagesPerWorker is the backlog that warrants one worker more.
	MessagesPerWorker int64
	// Boot is the time from a start to the first work of an instance. StepWorkers are added at a time, as long as the backlog
	// warrants them, and Step is between two additions. Idle is how long workers stay when nothing is left.
	Boot, Step, Idle time.Duration
	StepWorkers      int
	// Receivers is how many receive calls a worker keeps waiting, each for Wait.
	Receivers int
	Wait      time.Duration

	// WritesPerObject are the table writes of an object with its share of the run's counters.
	WritesPerObject float64
	// PerCall is how many messages a queue call carries, of objects; DeletesPerCall how many a deletion; PartsPerCall how many
	// of parts a receive or a deletion.
	PerCall, DeletesPerCall, PartsPerCall float64
	// PassWrites are the table writes of a pass beside its objects: run, lease, checkpoints.
	PassWrites float64
	// RecordBytes is the size of an object's record in the ledger.
	RecordBytes float64
	// LinesPerSecond bounds the log lines of one worker, each of LineBytes.
	LinesPerSecond, LineBytes float64
	// Look is how often the monitor of runs and the controller of giants look; a look passes Transitions states and calls a
	// function that takes FunctionSize GB-seconds. A run is closed when QuietLooks in a row found it drained.
	Look         time.Duration
	Transitions  float64
	FunctionSize float64
	QuietLooks   float64
}

// concurrency is how many transfers a worker has under way when it adapts by itself (worker/consume).
const concurrency = 64

const (
	performance = "docs/performance.md"
	network     = "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-network-bandwidth.html"
	s3Speed     = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html"
	gigabit     = 1e9 / 8 // bytes a second
)

// Defaults returns the assumptions that nobody has better figures for.
func Defaults() Assumptions {
	return Assumptions{
		ListPerSecond:    Range{40_000, 90_000},
		ObjectsPerSecond: Range{200, 2_000},
		WritesPerSecond:  Range{3_500, 100_000},
		BandwidthShare:   Range{0.5, 0.9},
		EdgeBytes:        5 * gigabit,
		DeskBytes:        Range{0.1 * gigabit, gigabit},
		DeskObjects:      Range{200, 2_000},
		CopyBytes:        Range{20e6, 100e6},

		MessagesPerWorker: 200,
		Boot:              3 * time.Minute, Step: 3 * time.Minute, Idle: 10 * time.Minute,
		StepWorkers: 5,
		Receivers:   7, Wait: 20 * time.Second,

		WritesPerObject: 1.04,
		PerCall:         10, DeletesPerCall: 9, PartsPerCall: 2,
		PassWrites: 10, RecordBytes: 600,
		LinesPerSecond: 100, LineBytes: 400,
		Look: time.Minute, Transitions: 3, FunctionSize: 0.125, QuietLooks: 2,
	}
}

// Source says where the default of an assumption comes from.
type Source struct {
	Name, Value, From string
}

// Sources returns a line for every assumption, in the order of the fields.
func Sources() []Source {
	return []Source{
		{"objects listed and queued a second", "40,000 to 90,000", performance + ": 73,800 at 100 ms a call, 91,274 with a message each; the lower bound is assumed"},
		{"small objects a second and worker", "200 to 2,000", "64 transfers of two calls at 100 to 200 ms each, " + s3Speed + "; " + performance + ": 2,074 at 10 ms a call"},
		{"writes a second that the destination takes", "3,500 to 100,000", "at least 3,500 for a partition of keys, more where it has divided them: " + s3Speed},
		{"share of the baseline bandwidth", "0.5 to 0.9", "assumed; the baseline is that of the instance type"},
		{"bandwidth to other regions and the internet", "5 Gbit/s", "instances of fewer than 32 vCPUs: " + network},
		{"bandwidth of a machine that is no instance", "0.1 to 1 Gbit/s", "assumed"},
		{"small objects a second on such a machine", "200 to 2,000", "as a worker"},
		{"bytes a second of one server-side copy", "20 to 100 MB/s", "assumed"},
		{"waiting messages that warrant a worker", "200", "the plugin's scaling policy"},
		{"start of an instance, and between two steps of five workers more", "3 min", "the plugin's scaling policy, at a large backlog"},
		{"workers stay when the queue is empty for", "10 min", "the plugin's scaling policy"},
		{"receive calls that a worker keeps waiting", "7, each for 20 s", "worker/consume"},
		{"table writes an object", "1.04", performance + ": 1.006 to 1.04"},
		{"messages a queue call", "10; 9 in deletions; 2 of parts", performance + ": 2,007 receives and 2,055 to 2,332 deletions for 20,000 objects, 8 receives for 18 messages of a giant"},
		{"table writes of a pass beside its objects", "10", "assumed; " + performance + ": 3 in a pass of 11 s"},
		{"bytes of a ledger record", "600", "assumed; below the KiB that one write unit holds"},
		{"log lines of a worker", "100 a second of 400 bytes at most", "the plugin's sampling; the size is assumed"},
		{"looks of the monitor of runs and of the controller of giants", "1 a minute, of 3 states each", "plugins/s3/workflow"},
		{"time and memory of a look", "1 s with 128 MiB", "assumed"},
		{"looks that find a run drained before it is closed", "2", "lambda/monitor"},
	}
}

// Machine is what is known of an instance type.
type Machine struct {
	Type string
	// Baseline is its network bandwidth that does not depend on credits, in bytes a second, inbound and outbound each.
	Baseline float64
}

// Machines are arm64 types that a fleet is likely to run on. The figures are those that DescribeInstanceTypes gives as
// BaselineBandwidthInGbps.
func Machines() []Machine {
	return []Machine{
		{"c6g.large", 0.75 * gigabit},
		{"m6g.large", 0.75 * gigabit},
		{"c6gn.large", 3 * gigabit},
		{"c7g.large", 0.937 * gigabit},
		{"c7g.xlarge", 1.876 * gigabit},
		{"c7gn.large", 6.25 * gigabit},
		{"c7gn.xlarge", 12.5 * gigabit},
		{"m7g.large", 0.937 * gigabit},
		{"m7g.xlarge", 1.876 * gigabit},
		{"c8g.large", 0.937 * gigabit},
		{"c8gn.large", 6.25 * gigabit},
		{"m8g.large", 0.937 * gigabit},
	}
}

// DefaultInstance and DefaultFinder are the types of workers and finder unless others are named: the cheapest of the plugin's
// list of types, which is what an on-demand group starts, and the plugin's default.
const (
	DefaultInstance = "c7g.large"
	DefaultFinder   = "m7g.large"
)

// machineOf returns an instance type. One that is not listed is taken for the default type; known is false then.
func machineOf(name string) (m Machine, known bool) {
	name = cmp.Or(name, DefaultInstance)
	for _, m := range Machines() {
		if m.Type == name {
			return m, true
		}
	}
	m, _ = machineOf(DefaultInstance)
	m.Type = name
	return m, false
}
