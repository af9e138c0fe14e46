package kit

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3assets"
)

// Assets says where the built files of a template lie, and where a deployed stack fetches them.
type Assets struct {
	Lambdas string // folder that holds NAME/bootstrap for each Lambda
	Engines string // folder that holds the engine binaries
	// Published is nil for `cdk deploy`: then the files are assets of the app, in the bucket of the bootstrap stack.
	Published *Published
}

// Published is the place of a released version: bucket BucketPrefix-REGION, keys below KeyPrefix/Version/.
type Published struct{ BucketPrefix, Version string }

// KeyPrefix is put in front of the keys of all released files.
const KeyPrefix = "data-transfer-hub"

// File is a file that a stack reads from S3.
type File struct {
	Bucket, Key *string
	SHA256      string // of the content, lower-case hex; "" where the key is by itself a hash
}

// synthesizer returns what writes the template. The released form needs no bootstrap stack and says nothing of one.
func (a Assets) synthesizer() awscdk.IStackSynthesizer {
	if a.Published == nil {
		return awscdk.NewDefaultStackSynthesizer(&awscdk.DefaultStackSynthesizerProps{})
	}
	return awscdk.NewDefaultStackSynthesizer(&awscdk.DefaultStackSynthesizerProps{
		GenerateBootstrapVersionRule: new(false),
		FileAssetsBucketName:         new(a.Published.BucketPrefix + "-${AWS::Region}"),
		BucketPrefix:                 new(path.Join(KeyPrefix, a.Published.Version) + "/"),
	})
}

// The mapping that alone says where released files are. `dth publish` rewrites it for another bucket.
const (
	assetsMapping = "Assets"
	assetsRelease = "Release"
)

// declare writes the mapping of the released form.
func (a Assets) declare(s *Stack) {
	if a.Published == nil {
		return
	}
	awscdk.NewCfnMapping(s.Scope, new(assetsMapping), &awscdk.CfnMappingProps{Lazy: new(false), Mapping: &map[string]*map[string]any{
		assetsRelease: {
			"BucketPrefix": a.Published.BucketPrefix,
			"KeyPrefix":    path.Join(KeyPrefix, a.Published.Version),
		},
	}})
}

// ReleasedPrefix is what the buckets of a released template's files begin with; `dth publish` sets it.
func ReleasedPrefix() *string {
	return awscdk.Fn_FindInMap(new(assetsMapping), new(assetsRelease), new("BucketPrefix"), nil)
}

// released returns where the released file of a name is.
func (a Assets) released(name string) File {
	find := func(key string) *string {
		return awscdk.Fn_FindInMap(new(assetsMapping), new(assetsRelease), &key, nil)
	}
	return File{
		Bucket: awscdk.Fn_Join(new("-"), &[]*string{find("BucketPrefix"), awscdk.Aws_REGION()}),
		Key:    awscdk.Fn_Join(new("/"), &[]*string{find("KeyPrefix"), &name}),
	}
}

// Code returns the zip of a Lambda.
func (s *Stack) Code(name string) File {
	folder := filepath.Join(s.assets.Lambdas, name)
	// The asset of the released form is not referred to; it puts the zip on the list of files to be uploaded.
	asset := awss3assets.NewAsset(s.Scope, new("Code-"+name), &awss3assets.AssetProps{Path: &folder})
	if s.assets.Published != nil {
		return s.assets.released(*asset.AssetHash() + ".zip")
	}
	return File{Bucket: asset.S3BucketName(), Key: asset.S3ObjectKey()}
}

// Check reports which of the files that a template needs is not built.
func (a Assets) Check(lambdas, engines []string) error {
	var missing []error
	for _, name := range lambdas {
		if _, err := os.Stat(filepath.Join(a.Lambdas, name, "bootstrap")); err != nil {
			missing = append(missing, fmt.Errorf("lambda %s is not built (make lambdas): %w", name, err))
		}
	}
	for _, name := range engines {
		if _, err := os.Stat(filepath.Join(a.Engines, name)); err != nil {
			missing = append(missing, fmt.Errorf("program %s is not built (make engines): %w", name, err))
		}
	}
	return errors.Join(missing...)
}

// Engine returns a program for instances, with the hash that they check before they start it. Call Check first.
func (s *Stack) Engine(name string) File {
	file := filepath.Join(s.assets.Engines, name)
	content, err := os.ReadFile(file)
	if err != nil {
		panic("a program vanished while the template was written: " + err.Error())
	}
	sum := sha256.Sum256(content)
	var at File
	if s.assets.Published != nil {
		at = s.assets.released(name)
	} else {
		asset := awss3assets.NewAsset(s.Scope, new("Engine-"+name), &awss3assets.AssetProps{Path: &file})
		at = File{Bucket: asset.S3BucketName(), Key: asset.S3ObjectKey()}
	}
	at.SHA256 = hex.EncodeToString(sum[:])
	return at
}
