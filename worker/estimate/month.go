package estimate

// Month is what a stack costs in a month.
type Month struct {
	Passes int     `json:"passes"`
	Items  []Item  `json:"items"`
	Totals []Total `json:"totals"`
	Prices Basis   `json:"prices"`
}

// PassesAMonth is how often a schedule of one pass an hour begins, with 730 hours a month.
const PassesAMonth = 730

// What a stack of the S3 plugin has, and pays for, whether it copies or not.
const (
	// alarmMetrics are the metrics that alarms look at: backlog 2, idle 4, age of the oldest message, dead letters, failed finder,
	// failed controller, failed start of a worker. An alarm is billed by its metrics.
	alarmMetrics = 11
	dashboards   = 1
	// metrics are those that the programs emit with the stack's name: section "Seeing" of the plugin has fourteen.
	metrics    = 14
	keys       = 1 // of the topic for alarms
	parameters = 1 // advanced, with the configuration
)

// finderLog is what a finder writes to its log in a pass, in bytes.
const finderLog = 50e3

// MonthOf returns what a stack costs in a month of so many passes, when each pass finds what the input says. The storage of the
// copies is not in it.
func MonthOf(in Input, passes int) *Month {
	in.complete()
	n := float64(passes)
	b := &bill{in: &in, prices: in.Prices}
	for _, i := range Of(in).Items {
		b.add(i.Item, i.Price, i.region, i.things.times(n), i.remark)
	}
	at := in.Fleet.Region
	b.add("finder's logs", "CloudWatch.logs", at, exactly(n*finderLog), "")
	b.add("alarms", "CloudWatch.alarm", at, exactly(alarmMetrics), "")
	b.add("dashboard", "CloudWatch.dashboard", at, exactly(dashboards), "")
	b.add("metrics", "CloudWatch.metric", at, exactly(metrics), "in hours in which a program runs")
	b.add("key of the alarms' topic", "KMS.key", at, exactly(keys), "")
	b.add("configuration", "SSM.parameter", at, exactly(parameters), "")
	records := exactly(float64(in.Totals.ListedSource) * in.Assume.RecordBytes)
	b.add("ledger", "DynamoDB.storage", at, records, "a record for every object of the source")
	b.add("ledger: point-in-time recovery", "DynamoDB.recovery", at, records, "")
	return &Month{Passes: passes, Items: b.items, Totals: totals(b.items), Prices: b.basis()}
}
