package multipartaws

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/datatransferhub/dth/worker/multipart"
)

// attributes is an item, or a part of one.
type attributes = map[string]types.AttributeValue

const (
	uploadsPartition = "UPLOADS"
	intentsPartition = "INTENTS"
)

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

// hash names a list of texts. Lengths are part of it, so that no two lists are taken for one.
func hash(texts ...string) string {
	h := sha256.New()
	for _, s := range texts {
		fmt.Fprintf(h, "%d:%s", len(s), s)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func uploadKey(sourceKey, sourceETag string) attributes {
	return attributes{"PK": text(uploadsPartition), "SK": text("UPLOAD#" + hash(sourceKey, sourceETag))}
}

func intentKey(i multipart.Intent) attributes {
	return attributes{"PK": text(intentsPartition), "SK": text("INTENT#" + hash(i.DestinationKey, i.ID))}
}

func partsPartition(u multipart.Upload) string {
	return "UPLOAD#" + hash(u.SourceKey, u.SourceETag, u.ID)
}

// encode joins a key with the attributes of a value.
func encode(key attributes, value any) (attributes, error) {
	item, err := attributevalue.MarshalMap(value)
	if err != nil {
		return nil, err
	}
	for name, v := range key {
		item[name] = v
	}
	return item, nil
}

func decode(item attributes, into any) error {
	if err := attributevalue.UnmarshalMap(item, into); err != nil {
		return fmt.Errorf("an item of the run table cannot be read: %w", err)
	}
	return nil
}

type intentItem struct {
	DestinationKey string
	ID             string `dynamodbav:"IntentId"`
	At             time.Time
	Worker         string
}

func encodeIntent(i multipart.Intent) (attributes, error) {
	return encode(intentKey(i), intentItem{i.DestinationKey, i.ID, i.At.UTC().Truncate(time.Millisecond), i.Worker})
}

func decodeIntent(item attributes) (multipart.Intent, error) {
	var i intentItem
	err := decode(item, &i)
	return multipart.Intent(i), err
}

type uploadItem struct {
	SourceKey      string
	SourceETag     string
	DestinationKey string
	ID             string `dynamodbav:"UploadId"`
	Size           int64
	PartSize       int64
	Parts          int
	RunID          string `dynamodbav:"RunId"`
	Created        time.Time
	Checksums      bool

	Giant           bool      `dynamodbav:",omitempty"`
	VersionID       string    `dynamodbav:"VersionId,omitempty"`
	Modified        time.Time `dynamodbav:",omitempty"`
	Again           int       `dynamodbav:",omitempty"`
	DestinationSeen bool      `dynamodbav:",omitempty"`
	DestinationETag string    `dynamodbav:",omitempty"`
	Failure         *multipart.Failure
	Asked           time.Time `dynamodbav:",omitempty"`
}

func encodeUpload(u multipart.Upload) (attributes, error) {
	u.Created = u.Created.UTC()
	return encode(uploadKey(u.SourceKey, u.SourceETag), uploadItem(u))
}

func decodeUpload(item attributes) (multipart.Upload, error) {
	var u uploadItem
	err := decode(item, &u)
	return multipart.Upload(u), err
}

// groupSize is how many parts share an item. The write of a part then says which others of its group are there, so
// that whoever records the last one knows it, at one write a part. An item of that size costs at most 7 write units.
const groupSize = 64

// groupExpires is how long a group is kept that nobody deleted: one that a late worker wrote for a forgotten upload.
const groupExpires = 60 * 24 * time.Hour

func groupKey(u multipart.Upload, number int) attributes {
	first := (number-1)/groupSize*groupSize + 1
	return attributes{"PK": text(partsPartition(u)), "SK": text(fmt.Sprintf("PART#%05d", first))}
}

// partName is the attribute of a part in its group.
func partName(number int) string { return "P" + strconv.Itoa(number) }

type partItem struct {
	Number    int
	ETag      string
	CRC64NVME string `dynamodbav:",omitempty"`
	Size      int64
	At        int64 `dynamodbav:",omitempty"` // Unix milliseconds
}

func encodePart(p multipart.Part) (types.AttributeValue, error) {
	item := partItem{Number: p.Number, ETag: p.ETag, CRC64NVME: p.CRC64NVME, Size: p.Size}
	if !p.At.IsZero() {
		item.At = p.At.UnixMilli()
	}
	return attributevalue.Marshal(item)
}

// decodeGroup returns the parts of a group in number order.
func decodeGroup(item attributes) ([]multipart.Part, error) {
	var out []multipart.Part
	for name, v := range item {
		if _, err := strconv.Atoi(strings.TrimPrefix(name, "P")); err != nil || name[0] != 'P' {
			continue // a key, or when the group expires
		}
		var p partItem
		if err := attributevalue.Unmarshal(v, &p); err != nil {
			return nil, fmt.Errorf("an item of the run table cannot be read: %w", err)
		}
		part := multipart.Part{Number: p.Number, ETag: p.ETag, CRC64NVME: p.CRC64NVME, Size: p.Size}
		if p.At != 0 {
			part.At = time.UnixMilli(p.At).UTC()
		}
		out = append(out, part)
	}
	slices.SortFunc(out, func(a, b multipart.Part) int { return cmp.Compare(a.Number, b.Number) })
	return out, nil
}
