package estimate

import (
	"cmp"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/datatransferhub/dth/worker/endpoint"
	"github.com/datatransferhub/dth/worker/job"
)

// DefaultRegion is the region whose prices the table has, and that ends on Amazon S3 are taken to be in.
const DefaultRegion = "us-east-1"

// AsOf is the date of the built-in table.
const AsOf = "2026-11-23"

// Currencies.
const (
	dollar = "USD"
	yuan   = "CNY"
)

// Price is one row: what a unit of something costs.
type Price struct {
	// ID names what is paid for: Amazon_S3.list, EC2.c7g.large. UnitOf tells the unit.
	ID string
	// Region is an AWS region; empty is everywhere.
	Region string
	// From is the monthly quantity, in units, from which the price holds: rows of one ID and region are tiers.
	From     float64
	Price    float64
	Currency string
	// Source is the page that says so.
	Source string
	// Confirmed says that the figure was read on a copy of that page; else it is recalled from public knowledge.
	Confirmed bool
}

// Unit is what a price is for: Scale of the things that are counted (calls, bytes, hours) make one.
type Unit struct {
	Name  string
	Scale float64
}

const (
	gib = float64(1 << 30)

	s3Page         = "https://aws.amazon.com/s3/pricing/"
	ec2Page        = "https://aws.amazon.com/ec2/pricing/on-demand/"
	sqsPage        = "https://aws.amazon.com/sqs/pricing/"
	tablePage      = "https://aws.amazon.com/dynamodb/pricing/on-demand/"
	stepPage       = "https://aws.amazon.com/step-functions/pricing/"
	watchPage      = "https://aws.amazon.com/cloudwatch/pricing/"
	lambdaPage     = "https://aws.amazon.com/lambda/pricing/"
	kmsPage        = "https://aws.amazon.com/kms/pricing/"
	parametersPage = "https://aws.amazon.com/systems-manager/pricing/"
	googlePage     = "https://cloud.google.com/storage/pricing"
	googleExamples = "https://cloud.google.com/storage/pricing-examples"
	aliyunPage     = "https://www.alibabacloud.com/product/object-storage-service/pricing"
	tencentPage    = "https://buy.cloud.tencent.com/price/cos"
	huaweiPage     = "https://www.huaweicloud.com/pricing.html#/obs"
	qiniuPage      = "https://www.qiniu.com/prices/kodo"
	chinaPage      = "https://www.amazonaws.cn/en/s3/pricing/"
	governmentPage = "https://aws.amazon.com/govcloud-us/pricing/"
	sovereignPage  = "https://aws.eu/pricing/"
)

// classes are the storage classes of Amazon S3 with what a thousand writes and a GB-month cost in DefaultRegion.
func classes() []class {
	return []class{
		{"STANDARD", 0.005, 0.023},
		{"INTELLIGENT_TIERING", 0.005, 0.023},
		{"STANDARD_IA", 0.01, 0.0125},
		{"ONEZONE_IA", 0.01, 0.01},
		{"GLACIER_IR", 0.02, 0.004},
		{"GLACIER", 0.03, 0.0036},
		{"DEEP_ARCHIVE", 0.05, 0.00099},
	}
}

type class struct {
	name         string
	put, storage float64
}

// rows are the built-in table, as known on AsOf.
func rows() []Price {
	aws := func(id string, price float64, source string) Price {
		return Price{ID: id, Region: DefaultRegion, Price: price, Currency: dollar, Source: source}
	}
	all := []Price{
		aws("Amazon_S3.list", 0.005, s3Page),
		aws("Amazon_S3.get", 0.0004, s3Page),
		aws("Amazon_S3.monitoring", 0.0025, s3Page),
		aws("Amazon_S3.egress.region", 0.02, s3Page),
		{"Amazon_S3.egress.internet", DefaultRegion, 0, 0.09, dollar, s3Page, false},
		{"Amazon_S3.egress.internet", DefaultRegion, 10 << 10, 0.085, dollar, s3Page, false},
		{"Amazon_S3.egress.internet", DefaultRegion, 50 << 10, 0.07, dollar, s3Page, false},
		{"Amazon_S3.egress.internet", DefaultRegion, 150 << 10, 0.05, dollar, s3Page, false},
		aws("SQS.requests", 0.40, sqsPage),
		aws("DynamoDB.writes", 0.625, tablePage),
		aws("DynamoDB.reads", 0.125, tablePage),
		aws("DynamoDB.storage", 0.25, tablePage),
		aws("DynamoDB.recovery", 0.20, tablePage),
		{"StepFunctions.transitions", DefaultRegion, 0, 0.025, dollar, stepPage, true},
		aws("Lambda.requests", 0.20, lambdaPage),
		aws("Lambda.compute", 0.0000133334, lambdaPage),
		aws("CloudWatch.alarm", 0.10, watchPage),
		aws("CloudWatch.dashboard", 3, watchPage),
		aws("CloudWatch.metric", 0.30, watchPage),
		aws("CloudWatch.logs", 0.50, watchPage),
		aws("KMS.key", 1, kmsPage),
		aws("SSM.parameter", 0.05, parametersPage),
		aws("EC2.c6g.large", 0.068, ec2Page),
		aws("EC2.m6g.large", 0.077, ec2Page),
		aws("EC2.c6gn.large", 0.0864, ec2Page),
		aws("EC2.c7g.large", 0.0725, ec2Page),
		aws("EC2.c7g.xlarge", 0.145, ec2Page),
		aws("EC2.c7gn.large", 0.1248, ec2Page),
		aws("EC2.c7gn.xlarge", 0.2496, ec2Page),
		aws("EC2.m7g.large", 0.0816, ec2Page),
		aws("EC2.m7g.xlarge", 0.1632, ec2Page),
	}
	for _, c := range classes() {
		all = append(all, aws("Amazon_S3.put."+c.name, c.put, s3Page), aws("Amazon_S3.storage."+c.name, c.storage, s3Page))
	}
	for _, c := range []string{"STANDARD", "INTELLIGENT_TIERING"} {
		all = append(all, Price{"Amazon_S3.storage." + c, DefaultRegion, 50 << 10, 0.022, dollar, s3Page, false},
			Price{"Amazon_S3.storage." + c, DefaultRegion, 500 << 10, 0.021, dollar, s3Page, false})
	}
	return append(all, others()...)
}

// others are the prices of other providers: outbound traffic to the internet and requests. Those in CNY are of mainland China.
func others() []Price {
	return []Price{
		{"Google_GCS.list", "", 0, 0.005, dollar, googleExamples, true},
		{"Google_GCS.get", "", 0, 0.0004, dollar, googleExamples, true},
		{"Google_GCS.egress", "", 0, 0.12, dollar, googleExamples, true},
		{"Google_GCS.egress", "", 1 << 10, 0.11, dollar, googlePage, false},
		{"Google_GCS.egress", "", 10 << 10, 0.08, dollar, googlePage, false},
		{"Aliyun_OSS.list", "", 0, 0.001, yuan, aliyunPage, false},
		{"Aliyun_OSS.get", "", 0, 0.001, yuan, aliyunPage, false},
		{"Aliyun_OSS.egress", "", 0, 0.50, yuan, aliyunPage, false},
		{"Tencent_COS.list", "", 0, 0.001, yuan, tencentPage, false},
		{"Tencent_COS.get", "", 0, 0.001, yuan, tencentPage, false},
		{"Tencent_COS.egress", "", 0, 0.50, yuan, tencentPage, false},
		{"Huawei_OBS.list", "", 0, 0.001, yuan, huaweiPage, false},
		{"Huawei_OBS.get", "", 0, 0.001, yuan, huaweiPage, false},
		{"Huawei_OBS.egress", "", 0, 0.50, yuan, huaweiPage, false},
		{"Qiniu_Kodo.list", "", 0, 0.001, yuan, qiniuPage, false},
		{"Qiniu_Kodo.get", "", 0, 0.001, yuan, qiniuPage, false},
		{"Qiniu_Kodo.egress", "", 0, 0.29, yuan, qiniuPage, false},
	}
}

// Partition is a group of AWS regions that the built-in table has no prices of.
type Partition struct {
	Prefix   string // of the names of its regions
	Currency string
	Source   string // where its prices are
}

// Unpriced are the partitions without prices.
func Unpriced() []Partition {
	return []Partition{{"cn-", yuan, chinaPage}, {"us-gov-", dollar, governmentPage}, {"eusc-", "EUR", sovereignPage}}
}

// unpricedOf returns the partition of a region that has no prices; false for the regions of the commercial partition.
func unpricedOf(region string) (Partition, bool) {
	for _, p := range Unpriced() {
		if strings.HasPrefix(region, p.Prefix) {
			return p, true
		}
	}
	return Partition{}, false
}

// UnitOf returns what an ID is counted in; false when there is no such ID.
func UnitOf(id string) (Unit, bool) {
	if kind, found := strings.CutPrefix(id, "EC2."); found {
		return Unit{"hour", 1}, IsInstance(kind)
	}
	u, known := unitTable()[id]
	return u, known
}

// instanceType is how AWS names them: c7g.large.
var instanceType = regexp.MustCompile(`^[a-z][a-z0-9-]{0,20}\.[a-z0-9-]{1,20}$`)

// IDs returns the IDs that a table may have, in order. Those of instances are EC2. and the type.
func IDs() []string { return append(slices.Sorted(maps.Keys(unitTable())), "EC2.TYPE") }

func unitTable() map[string]Unit {
	calls, gigabytes, months := Unit{"1,000 requests", 1000}, Unit{"GB", gib}, Unit{"GB-month", gib}
	all := map[string]Unit{
		"Amazon_S3.egress.region":   gigabytes,
		"Amazon_S3.egress.internet": gigabytes,
		"Amazon_S3.monitoring":      {"1,000 objects", 1000},
		"SQS.requests":              {"million requests", 1e6},
		"DynamoDB.writes":           {"million units", 1e6},
		"DynamoDB.reads":            {"million units", 1e6},
		"DynamoDB.storage":          months,
		"DynamoDB.recovery":         months,
		"StepFunctions.transitions": {"1,000 transitions", 1000},
		"Lambda.requests":           {"million requests", 1e6},
		"Lambda.compute":            {"GB-second", 1},
		"CloudWatch.alarm":          {"alarm metric", 1},
		"CloudWatch.dashboard":      {"dashboard", 1},
		"CloudWatch.metric":         {"metric", 1},
		"CloudWatch.logs":           gigabytes,
		"KMS.key":                   {"key", 1},
		"SSM.parameter":             {"parameter", 1},
		ownLine:                     gigabytes,
	}
	for _, c := range classes() {
		all["Amazon_S3.put."+c.name], all["Amazon_S3.storage."+c.name] = calls, months
	}
	for _, p := range endpoint.Providers() {
		all[p+".list"], all[p+".get"] = calls, calls
		if p != string(job.AmazonS3) {
			all[p+".egress"] = gigabytes
		}
	}
	own := string(job.S3Compatible)
	all[own+".put"], all[own+".delete"], all[own+".storage"] = calls, calls, months
	return all
}

// ownLine is the ID of traffic that leaves a machine that is no instance.
const ownLine = "own_line.egress"

// Prices is a table of prices. It does not change.
type Prices struct {
	asOf, name string
	rows       []Price
}

// Builtin returns the table of this program.
func Builtin() *Prices { return &Prices{asOf: AsOf, name: builtin, rows: rows()} }

const builtin = "built-in"

// Rows returns the rows of the table.
func (p *Prices) Rows() []Price { return slices.Clone(p.rows) }

// with returns the table with other rows in the place of those that are about the same.
func (p *Prices) with(asOf, name string, more []Price) *Prices {
	kept := slices.DeleteFunc(p.Rows(), func(old Price) bool {
		return slices.ContainsFunc(more, func(n Price) bool { return n.ID == old.ID && (n.Region == old.Region || n.Region == "") })
	})
	return &Prices{asOf: asOf, name: name, rows: append(kept, more...)}
}

// Find returns the tiers of a price in a region, the first tier first. Where the commercial partition has no row for the region,
// those of DefaultRegion stand in; elsewhere, nothing does.
func (p *Prices) Find(id, region string) []Price {
	fallbacks := []string{region, ""}
	if _, unpriced := unpricedOf(region); !unpriced {
		fallbacks = append(fallbacks, DefaultRegion)
	}
	for _, at := range fallbacks {
		var tiers []Price
		for _, r := range p.rows {
			if r.ID == id && r.Region == at {
				tiers = append(tiers, r)
			}
		}
		if len(tiers) > 0 {
			slices.SortFunc(tiers, func(a, b Price) int { return cmp.Compare(a.From, b.From) })
			return tiers
		}
	}
	return nil
}

// Cheapest returns the instance type with the lowest price in a region, which is what an on-demand group of these types starts.
// Types without a price are left out, unless none has one: then it is the first. Without types it is "".
func (p *Prices) Cheapest(region string, types []string) string {
	if len(types) == 0 {
		return ""
	}
	best, lowest := types[0], math.Inf(1)
	for _, t := range types {
		if tiers := p.Find("EC2."+t, region); len(tiers) > 0 && tiers[0].Price < lowest {
			best, lowest = t, tiers[0].Price
		}
	}
	return best
}

// cost returns what a quantity of units costs, tier by tier.
func cost(tiers []Price, quantity float64) float64 {
	var sum float64
	for i, t := range tiers {
		end := math.Inf(1)
		if i+1 < len(tiers) {
			end = tiers[i+1].From
		}
		if quantity > t.From {
			sum += (min(quantity, end) - t.From) * t.Price
		}
	}
	return sum
}
