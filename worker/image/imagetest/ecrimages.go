package imagetest

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// tagsOf asks the registry behind for the tags of a repository, and what they name.
func (e *ECR) tagsOf(repository string) map[string]string {
	var listed struct{ Tags []string }
	if json.Unmarshal(e.inside(http.MethodGet, repository+"/tags/list").Body.Bytes(), &listed) != nil {
		return nil // of one without images
	}
	all := map[string]string{}
	for _, tag := range listed.Tags {
		all[tag] = e.inside(http.MethodHead, repository+"/manifests/"+tag).Header().Get("Docker-Content-Digest")
	}
	return all
}

// images tells of each manifest its digest and its tags, which may be none.
func (e *ECR) images(in ask) (any, *refusal) {
	tags := map[string][]string{}
	for tag, digest := range e.tagsOf(in.RepositoryName) {
		tags[digest] = append(tags[digest], tag)
	}
	var all []any
	for _, digest := range slices.Sorted(maps.Keys(e.repositories[in.RepositoryName].pushed)) {
		head := e.inside(http.MethodHead, in.RepositoryName+"/manifests/"+digest)
		detail := map[string]any{"imageDigest": digest, "imageManifestMediaType": head.Header().Get("Content-Type")}
		if slices.Sort(tags[digest]); len(tags[digest]) > 0 {
			detail["imageTags"] = tags[digest]
		}
		all = append(all, detail)
	}
	return page("imageDetails", all, in.NextToken), nil
}

// delete removes a tag, and the image with its last one; or an image with all its tags. What an index lists stays.
func (e *ECR) delete(in ask) (any, *refusal) {
	var deleted, failures []any
	for _, id := range in.ImageIDs {
		if code := e.deleteOne(in.RepositoryName, id); code != "" {
			failures = append(failures, map[string]any{"imageId": id, "failureCode": code, "failureReason": "Requested image cannot be deleted"})
			continue
		}
		deleted = append(deleted, id)
	}
	return map[string]any{"imageIds": deleted, "failures": failures}, nil
}

func (e *ECR) deleteOne(repository string, id ecrImage) (failure string) {
	known, tags := e.repositories[repository], e.tagsOf(repository)
	digest, last := id.Digest, true
	if id.Tag != "" {
		digest = tags[id.Tag]
	}
	if !known.pushed[digest] {
		return "ImageNotFound"
	}
	for tag, other := range tags {
		last = last && (other != digest || tag == id.Tag || id.Tag == "")
	}
	if last && e.listed(repository, digest) {
		return "ImageReferencedByManifestList"
	}
	for tag, other := range tags {
		if tag == id.Tag || id.Tag == "" && other == digest {
			e.inside(http.MethodDelete, repository+"/manifests/"+tag)
		}
	}
	if last {
		e.inside(http.MethodDelete, repository+"/manifests/"+digest)
		delete(known.pushed, digest)
	}
	return ""
}

// listed reports whether an index of the repository lists a digest.
func (e *ECR) listed(repository, digest string) bool {
	for other := range e.repositories[repository].pushed {
		answer := e.inside(http.MethodGet, repository+"/manifests/"+other)
		if other != digest && strings.Contains(answer.Header().Get("Content-Type"), "index") && strings.Contains(answer.Body.String(), digest) {
			return true
		}
	}
	return false
}
