package ledgersqlite

// FailureQueries returns the statements of Failures: of one class, and of all.
func FailureQueries() map[string]string {
	return map[string]string{"kms": failureQuery("kms"), "": failureQuery("")}
}
