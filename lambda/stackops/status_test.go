package stackops_test

import (
	"testing"

	"github.com/datatransferhub/dth/lambda/stackops"
	"github.com/datatransferhub/dth/lambda/task"
)

// Every status that CloudFormation has, and what it means after each operation was asked for.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_Stack.html
func TestJudge(t *testing.T) {
	const wait, again, done, failed = stackops.Wait, stackops.Again, stackops.Succeeded, stackops.Failed
	for s, want := range map[stackops.Status]struct{ create, update, remove stackops.Judgement }{
		"":                                    {failed, failed, done},
		"CREATE_IN_PROGRESS":                  {wait, wait, wait},
		"CREATE_FAILED":                       {failed, failed, again},
		"CREATE_COMPLETE":                     {done, done, again},
		"ROLLBACK_IN_PROGRESS":                {wait, wait, wait},
		"ROLLBACK_FAILED":                     {failed, failed, again},
		"ROLLBACK_COMPLETE":                   {failed, failed, again},
		"DELETE_IN_PROGRESS":                  {wait, wait, wait},
		"DELETE_FAILED":                       {failed, failed, failed},
		"DELETE_COMPLETE":                     {failed, failed, done},
		"UPDATE_IN_PROGRESS":                  {wait, wait, wait},
		"UPDATE_COMPLETE_CLEANUP_IN_PROGRESS": {wait, wait, wait},
		"UPDATE_COMPLETE":                     {done, done, again},
		"UPDATE_FAILED":                       {failed, failed, again},
		"UPDATE_ROLLBACK_IN_PROGRESS":         {wait, wait, wait},
		"UPDATE_ROLLBACK_FAILED":              {failed, failed, again},
		"UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS": {wait, wait, wait},
		"UPDATE_ROLLBACK_COMPLETE":                     {failed, failed, again},
		"REVIEW_IN_PROGRESS":                           {failed, failed, again},
		"IMPORT_IN_PROGRESS":                           {wait, wait, wait},
		"IMPORT_COMPLETE":                              {done, done, again},
		"IMPORT_ROLLBACK_IN_PROGRESS":                  {wait, wait, wait},
		"IMPORT_ROLLBACK_FAILED":                       {failed, failed, again},
		"IMPORT_ROLLBACK_COMPLETE":                     {failed, failed, again},
		"POLISH_IN_PROGRESS":                           {wait, wait, wait}, // there is none
		"POLISH_FAILED":                                {failed, failed, again},
	} {
		for k, want := range map[task.Kind]stackops.Judgement{task.Create: want.create, task.Update: want.update, task.Delete: want.remove} {
			if got := stackops.Judge(k, s); got != want {
				t.Errorf("%s after %s: %s, want %s", s, k, got, want)
			}
		}
	}
}

func TestUsable(t *testing.T) {
	for s, want := range map[stackops.Status]bool{
		"": false, "CREATE_COMPLETE": true, "UPDATE_COMPLETE": true, "IMPORT_COMPLETE": true, "UPDATE_ROLLBACK_COMPLETE": true, "IMPORT_ROLLBACK_COMPLETE": true,
		"ROLLBACK_COMPLETE": false, "UPDATE_ROLLBACK_FAILED": false, "DELETE_COMPLETE": false, "CREATE_IN_PROGRESS": false,
	} {
		if got := s.Usable(); got != want {
			t.Errorf("%q is usable: %t", s, got)
		}
	}
}
