package multipartaws

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
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

func intentKey(destinationKey string) attributes {
	return attributes{"PK": text(intentsPartition), "SK": text("INTENT#" + hash(destinationKey))}
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
	At             time.Time
	Worker         string
}

func encodeIntent(i multipart.Intent) (attributes, error) {
	return encode(intentKey(i.DestinationKey), intentItem{i.DestinationKey, i.At.UTC().Truncate(time.Millisecond), i.Worker})
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

type partItem struct {
	Number    int
	ETag      string
	CRC64NVME string
	Size      int64
}

func encodePart(u multipart.Upload, p multipart.Part) (attributes, error) {
	key := attributes{"PK": text(partsPartition(u)), "SK": text(fmt.Sprintf("PART#%05d", p.Number))}
	return encode(key, partItem(p))
}

func decodePart(item attributes) (multipart.Part, error) {
	var p partItem
	err := decode(item, &p)
	return multipart.Part(p), err
}
