package metricsaws_test

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"net/http"
	"path"
	"slices"
	"testing"
	"time"

	"github.com/aws/smithy-go/encoding/cbor"

	"github.com/datatransferhub/dth/worker/standin/standinaws"
)

// cloudwatch answers GetMetricData in CloudWatch's protocol, which moto does not speak:
// https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html
type cloudwatch struct {
	t      *testing.T
	values map[metric]map[time.Time][]float64 // what was measured, by time
	page   int                                // points on a page of answers
	calls  int
	status string // of results; "": Complete
}

type metric struct{ namespace, name, dimension, of string }

// put measures a value so many minutes after the hour before now.
func (c *cloudwatch) put(m metric, minute int, value float64) {
	at := now.Add(-time.Hour + time.Duration(minute)*time.Minute)
	if c.values[m] == nil {
		c.values[m] = map[time.Time][]float64{}
	}
	c.values[m][at] = append(c.values[m][at], value)
}

func (c *cloudwatch) step(r standinaws.Request, _ func() (*http.Response, error)) (*http.Response, error) {
	c.calls++
	if operation := path.Base(r.HTTP.URL.Path); operation != "GetMetricData" || r.HTTP.Header.Get("smithy-protocol") != "rpc-v2-cbor" {
		c.t.Errorf("called %s by %q", operation, r.HTTP.Header.Get("smithy-protocol"))
	}
	in, err := cbor.Decode(r.Body)
	if err != nil {
		return nil, err
	}
	return reply(r, http.StatusOK, c.answer(in.(cbor.Map))), nil
}

func reply(r standinaws.Request, status int, v cbor.Value) *http.Response {
	body := cbor.Encode(v)
	return &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r.HTTP, ContentLength: int64(len(body)), Body: io.NopCloser(bytes.NewReader(body)),
		Header: http.Header{"Content-Type": {"application/cbor"}, "Smithy-Protocol": {"rpc-v2-cbor"}},
	}
}

// point is one of an answer.
type point struct {
	query int
	at    time.Time
	value float64
}

// answer gives a page of the points asked for; the token is the number of the first.
func (c *cloudwatch) answer(in cbor.Map) cbor.Value {
	queries := in["MetricDataQueries"].(cbor.List)
	if len(queries) == 0 || len(queries) > 500 {
		c.t.Errorf("asked for %d metrics", len(queries))
	}
	var all []point
	for i, q := range queries {
		all = append(all, c.points(i, q.(cbor.Map)["MetricStat"].(cbor.Map), moment(in["StartTime"]), moment(in["EndTime"]))...)
	}
	first := 0
	if token, more := in["NextToken"].(cbor.String); more {
		_, _ = fmt.Sscan(string(token), &first)
	}
	end := min(first+cmp.Or(c.page, 100_800), len(all))
	results := cbor.List{}
	for i, q := range queries {
		at, values := cbor.List{}, cbor.List{}
		for _, p := range all[first:end] {
			if p.query == i {
				at, values = append(at, &cbor.Tag{ID: 1, Value: cbor.Float64(p.at.Unix())}), append(values, cbor.Float64(p.value))
			}
		}
		results = append(results, cbor.Map{
			"Id": q.(cbor.Map)["Id"], "Label": cbor.String("label"), "Timestamps": at, "Values": values, "StatusCode": cbor.String(cmp.Or(c.status, "Complete")),
			"Messages": cbor.List{cbor.Map{"Code": cbor.String("Why"), "Value": cbor.String("because")}},
		})
	}
	out := cbor.Map{"MetricDataResults": results, "Messages": cbor.List{}}
	if end < len(all) {
		out["NextToken"] = cbor.String(fmt.Sprint(end))
	}
	return out
}

// points are those of one metric, by periods, where there was a measurement.
func (c *cloudwatch) points(query int, ask cbor.Map, from, to time.Time) (all []point) {
	one := ask["Metric"].(cbor.Map)
	dimension := one["Dimensions"].(cbor.List)[0].(cbor.Map)
	text := func(m cbor.Map, name string) string { return string(m[name].(cbor.String)) }
	seconds, err := cbor.AsInt64(ask["Period"])
	period := time.Duration(seconds) * time.Second
	if err != nil || seconds%60 != 0 || !from.Equal(from.Truncate(period)) {
		c.t.Errorf("periods of %s from %s on, %v", period, from, err)
	}
	steps := map[time.Time][]float64{}
	for at, values := range c.values[metric{text(one, "Namespace"), text(one, "MetricName"), text(dimension, "Name"), text(dimension, "Value")}] {
		if !at.Before(from) && at.Before(to) {
			steps[at.Truncate(period)] = append(steps[at.Truncate(period)], values...)
		}
	}
	for _, at := range slices.SortedFunc(maps.Keys(steps), time.Time.Compare) {
		sum := 0.0
		for _, v := range steps[at] {
			sum += v
		}
		value := map[string]float64{"Sum": sum, "Average": sum / float64(len(steps[at])), "Maximum": slices.Max(steps[at])}[text(ask, "Stat")]
		all = append(all, point{query, at, value})
	}
	return all
}

func moment(v cbor.Value) time.Time {
	tag := v.(*cbor.Tag)
	at, err := cbor.AsFloat64(tag.Value)
	if n, is := tag.Value.(cbor.Uint); err != nil && is {
		at = float64(n)
	}
	return time.UnixMilli(int64(at * 1000)).UTC()
}
