package kittest

import "testing"

// Publishers fails the test when alarms of the own account or the rules of EventBridge may not do something by a policy of a
// topic or of its key. EventBridge comes without the keys that a condition asks for.
// https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html#compatibility-with-aws-services
func Publishers(t *testing.T, policy any, actions ...string) {
	t.Helper()
	found := map[string]any{}
	for _, s := range policy.(object)["Statement"].([]any) {
		statement := s.(object)
		principal, _ := statement["Principal"].(object)
		service, _ := principal["Service"].(string)
		if statement["Effect"] != "Allow" || service == "" || Compact(statement["Action"]) != Compact(oneOrAll(actions)) {
			continue
		}
		found[service] = Compact(statement["Condition"])
	}
	want := map[string]any{"cloudwatch.amazonaws.com": `{"StringEquals":{"aws:SourceAccount":{"Ref":"AWS::AccountId"}}}`, "events.amazonaws.com": "null"}
	if Compact(found) != Compact(want) {
		t.Errorf("who may %v, and under which condition: %s, want %s", actions, Compact(found), Compact(want))
	}
}

// oneOrAll is how a policy writes its actions.
func oneOrAll(actions []string) any {
	if len(actions) == 1 {
		return actions[0]
	}
	return actions
}
