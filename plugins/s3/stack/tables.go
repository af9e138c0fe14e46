package stack

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"

	"github.com/datatransferhub/dth/infra/kit"
	contractstack "github.com/datatransferhub/dth/plugins/contract/stack"
	"github.com/datatransferhub/dth/plugins/s3/schema"
)

// tables are the ledger, with one record an object, and the run table, with runs, uploads and their parts.
type tables struct{ ledger, runs awsdynamodb.CfnTable }

func newTables(s *kit.Stack) tables {
	return tables{contractstack.Table(s, "Ledger", schema.Ledger()), contractstack.Table(s, "RunTable", schema.Runs())}
}
