package recordaws

import (
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/datatransferhub/dth/worker/image/record"
)

// The attributes of an item. They are part of the product: people query the table.
const (
	imageName         = "Image"
	tag               = "Tag"
	status            = "Status"
	sourceDigest      = "SourceDigest"
	destinationDigest = "DestinationDigest"
	mediaType         = "MediaType"
	size              = "Bytes"
	platforms         = "Platforms"
	referrers         = "Referrers"
	runID             = "RunId"
	attempts          = "Attempts"
	errorClass        = "ErrorClass"
	errorMessage      = "ErrorMessage"
	startedAt         = "StartedAt"
	finishedAt        = "FinishedAt"
	execution         = "Execution"
)

// millisecond is the form of times: sorted as text they are sorted in time.
const millisecond = "2006-01-02T15:04:05.000Z07:00"

type item = map[string]types.AttributeValue

func text(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func keyOf(k record.Key) item { return item{imageName: text(k.Image), tag: text(k.Tag)} }

// encode leaves away what is empty.
func encode(r record.Record) item {
	all := keyOf(r.Key)
	for name, value := range map[string]string{
		status: string(r.Status), sourceDigest: r.SourceDigest, destinationDigest: r.DestinationDigest, mediaType: r.MediaType, runID: r.RunID,
		errorClass: r.ErrorClass, errorMessage: record.Bounded(r.ErrorMessage), startedAt: moment(r.StartedAt), finishedAt: moment(r.FinishedAt), execution: r.Execution,
	} {
		if value != "" {
			all[name] = text(value)
		}
	}
	for name, n := range map[string]int64{size: r.Bytes, referrers: int64(r.Referrers), attempts: int64(r.Attempts)} {
		if n != 0 {
			all[name] = number(n)
		}
	}
	if len(r.Platforms) > 0 {
		list := &types.AttributeValueMemberL{}
		for _, p := range r.Platforms {
			list.Value = append(list.Value, text(p))
		}
		all[platforms] = list
	}
	return all
}

func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(millisecond)
}

// decode takes what it can read: an item that somebody has edited by hand costs the page that shows it nothing.
func decode(i item) record.Record {
	r := record.Record{
		Key: record.Key{Image: textOf(i, imageName), Tag: textOf(i, tag)}, Status: record.Status(textOf(i, status)),
		SourceDigest: textOf(i, sourceDigest), DestinationDigest: textOf(i, destinationDigest), MediaType: textOf(i, mediaType),
		Bytes: numberOf(i, size), Referrers: int(numberOf(i, referrers)), RunID: textOf(i, runID), Attempts: int(numberOf(i, attempts)),
		ErrorClass: textOf(i, errorClass), ErrorMessage: textOf(i, errorMessage), StartedAt: timeOf(i, startedAt), FinishedAt: timeOf(i, finishedAt),
		Execution: textOf(i, execution),
	}
	if list, ok := i[platforms].(*types.AttributeValueMemberL); ok {
		for _, p := range list.Value {
			if s, ok := p.(*types.AttributeValueMemberS); ok {
				r.Platforms = append(r.Platforms, s.Value)
			}
		}
	}
	return r
}

func textOf(i item, name string) string {
	if s, ok := i[name].(*types.AttributeValueMemberS); ok {
		return s.Value
	}
	return ""
}

func numberOf(i item, name string) int64 {
	if n, ok := i[name].(*types.AttributeValueMemberN); ok {
		if v, err := strconv.ParseInt(n.Value, 10, 64); err == nil {
			return v
		}
	}
	return 0
}

func timeOf(i item, name string) time.Time {
	t, err := time.Parse(time.RFC3339, textOf(i, name))
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}
