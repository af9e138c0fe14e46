package ecr

import (
	"errors"
	"slices"
	"strings"

	"github.com/datatransferhub/dth/plugins/contract"
	"github.com/datatransferhub/dth/worker/image/imagelist"
)

// rules are the checks between parameters.
func rules() []contract.Rule {
	return []contract.Rule{lists, images, identities, subnets, deleting, place("", "")}
}

func lists(v contract.Values) []contract.FieldError {
	list, parameter := v["srcImageList"], v["srcImageListParameter"]
	switch {
	case v["sourceType"] == "Public" && v["srcList"] != "SELECTED":
		return []contract.FieldError{{Field: "srcList", Value: v["srcList"], Message: "a registry that is no ECR cannot be listed whole: choose SELECTED, and give a list"}}
	case v["srcList"] == "SELECTED" && (list == "") == (parameter == ""):
		return []contract.FieldError{{Field: "srcImageList", Value: list, Message: "SELECTED needs one of srcImageList and srcImageListParameter"}}
	}
	return nil
}

func identities(v contract.Values) (errs []contract.FieldError) {
	for _, side := range []string{"src", "dest"} {
		secret, role, external := side+"Credential", side+"RoleArn", side+"ExternalId"
		if v[secret] != "" && v[role] != "" {
			errs = append(errs, contract.FieldError{Field: role, Value: v[role], Message: "give either " + secret + " or " + role + ", not both"})
		}
		if v[external] != "" && v[role] == "" {
			errs = append(errs, contract.FieldError{Field: external, Value: v[external], Message: "it goes with " + role + ", which is empty"})
		}
	}
	return errs
}

func subnets(v contract.Values) []contract.FieldError {
	if v["ecsSubnetA"] != "" && v["ecsSubnetA"] == v["ecsSubnetB"] {
		return []contract.FieldError{{Field: "ecsSubnetB", Value: v["ecsSubnetB"], Message: "the two subnets are one; give another"}}
	}
	return nil
}

// ListScheme begins a list that is an S3 object: s3://BUCKET/KEY.
const ListScheme = "s3://"

// images checks a list that is written out. An Amazon ECR holds no images of other registries.
func images(v contract.Values) (errs []contract.FieldError) {
	if v["srcImageList"] == "" || strings.HasPrefix(v["srcImageList"], ListScheme) {
		return nil
	}
	if err := CheckList(v["srcImageList"], v["sourceType"]); err != nil {
		return []contract.FieldError{{Field: "srcImageList", Value: v["srcImageList"], Message: err.Error()}}
	}
	return nil
}

// deleting refuses to delete what a list hides: only of a repository that is chosen whole it is known what the source does not have. A
// list that is elsewhere is not known yet.
func deleting(v contract.Values) []contract.FieldError {
	list := v["srcImageList"]
	if !v.Is("deleteExtraneous") || v["srcList"] != "SELECTED" || list == "" || strings.HasPrefix(list, ListScheme) {
		return nil
	}
	entries, err := imagelist.Parse(list)
	if err != nil || slices.ContainsFunc(entries, func(e imagelist.Entry) bool { return e.Kind == imagelist.Every }) {
		return nil // what is wrong with the list is said of it
	}
	return []contract.FieldError{{
		Field: "deleteExtraneous", Value: v["deleteExtraneous"],
		Message: "no entry of srcImageList chooses a repository whole, so nothing would ever be deleted: write " + imagelist.AllTags + " in place of a tag, or choose No",
	}}
}

// CheckList checks a list of images for a type of source. The error names line, column, entry and reason.
func CheckList(list, sourceType string) error {
	entries, err := imagelist.Parse(list)
	switch {
	case err != nil:
		return err
	case len(entries) == 0:
		return errors.New("there is no image in this list; give one a line")
	}
	for _, e := range entries {
		if sourceType == "Amazon_ECR" && e.Registry != "" && !strings.Contains(e.Registry, ".dkr.ecr") {
			return &imagelist.Error{Line: e.Line, Column: e.Column, Entry: e.String(), Reason: "this is another registry than the source's Amazon ECR; leave its name away, or choose sourceType Public"}
		}
	}
	return nil
}
