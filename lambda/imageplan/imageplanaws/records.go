package imageplanaws

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/datatransferhub/dth/lambda/imageplan"
	"github.com/datatransferhub/dth/worker/image/record"
	"github.com/datatransferhub/dth/worker/image/record/recordaws"
)

// RecordActions returns the IAM actions on the table of records, and on its index.
func RecordActions() (table, index []string) {
	return recordaws.PlanActions(), []string{"dynamodb:Query"}
}

// page is how many failures are read at once.
const page = 500

// Failures implements imageplan.Records.
func (r *Records) Failures(ctx context.Context, after string) (images []imageplan.Image, next string, err error) {
	p, err := r.table.List(ctx, record.Failed, page, after)
	for _, one := range p.Records {
		images = append(images, imageplan.Image{Name: one.Image, Tag: one.Tag})
	}
	return images, p.Next, err
}

// Records implements imageplan.Records on the copier's table.
type Records struct{ table *recordaws.Records }

var _ imageplan.Records = (*Records)(nil)

// OpenRecords returns the records of a table. It makes no call.
func OpenRecords(cfg aws.Config, table string) *Records { return &Records{recordaws.Open(cfg, table)} }

// Outcomes implements imageplan.Records.
func (r *Records) Outcomes(ctx context.Context, images []imageplan.Image) (map[imageplan.Image]imageplan.Outcome, error) {
	keys := make([]record.Key, len(images))
	for n, i := range images {
		keys[n] = record.Key{Image: i.Name, Tag: i.Tag}
	}
	on, err := r.table.Get(ctx, keys)
	if err != nil {
		return nil, err
	}
	found := make(map[imageplan.Image]imageplan.Outcome, len(on))
	for k, one := range on {
		found[imageplan.Image{Name: k.Image, Tag: k.Tag}] = imageplan.Outcome{
			Run: one.RunID, Status: string(one.Status), Bytes: one.Bytes, ErrorClass: one.ErrorClass, ErrorMessage: one.ErrorMessage,
		}
	}
	return found, nil
}

// PutOutcome implements imageplan.Records. What else is on record of the image stays.
func (r *Records) PutOutcome(ctx context.Context, i imageplan.Image, o imageplan.Outcome, at time.Time) error {
	return r.table.Settle(ctx, record.Key{Image: i.Name, Tag: i.Tag}, o.Run, record.Status(o.Status), o.Bytes, o.ErrorClass, o.ErrorMessage, at)
}
