package task

import "github.com/datatransferhub/dth/worker/preflight"

// FindingsOf turns what the engine's check has found into the words of the API.
func FindingsOf(all []preflight.Finding) []Finding {
	found := make([]Finding, len(all))
	for i, f := range all {
		found[i] = Finding{End: f.End, Right: string(f.Right), Result: string(f.Result), Message: f.Message, Remedy: f.Remedy}
	}
	return found
}
