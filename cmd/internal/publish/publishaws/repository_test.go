package publishaws_test

import (
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/datatransferhub/dth/cmd/internal/publish/publishaws"
	"github.com/datatransferhub/dth/worker/standin"
	"github.com/datatransferhub/dth/worker/standin/standinaws"
)

// A repository is made once, with tags that stay, by the actions that are declared; a look makes none.
func TestRepository(t *testing.T) {
	moto, err := standin.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := moto.Stop(); err != nil {
			t.Error(err)
		}
	}()
	cfg := standinaws.Config(t, moto.URL)
	client := ecr.NewFromConfig(cfg)
	repositories, token := publishaws.ImageActions()
	allowed := standinaws.Only(t, cfg, slices.Concat(repositories, token))
	if r, err := publishaws.OpenRepository(t.Context(), allowed, cfg.Region, "tools/copier", false); err != nil || r.User != "AWS" || r.Password == "" {
		t.Errorf("%q, %v", r.User, err)
	}
	if _, err := client.DescribeRepositories(t.Context(), &ecr.DescribeRepositoriesInput{RepositoryNames: []string{"tools/copier"}}); err == nil {
		t.Error("a look made the repository")
	}
	for range 2 {
		r, err := publishaws.OpenRepository(t.Context(), allowed, cfg.Region, "tools/copier", true)
		if want := "123456789012.dkr.ecr." + cfg.Region + ".amazonaws.com/tools/copier"; err != nil || r.Address != want {
			t.Errorf("%s, %v; want %s", r.Address, err, want)
		}
	}
	out, err := client.DescribeRepositories(t.Context(), &ecr.DescribeRepositoriesInput{RepositoryNames: []string{"tools/copier"}})
	if err != nil {
		t.Fatal(err)
	}
	if r := out.Repositories[0]; r.ImageTagMutability != types.ImageTagMutabilityImmutable || !r.ImageScanningConfiguration.ScanOnPush || aws.ToString(r.RepositoryName) != "tools/copier" {
		t.Errorf("%+v", r)
	}
}
