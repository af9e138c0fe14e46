package estimate

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Bounds of a price file. No list of prices of this program's kinds comes near them.
const (
	maxPriceFile = 64 << 10 // bytes; the decoder takes time by the square of what is nested
	maxRows      = 500
	maxPrice     = 1e6
	maxTier      = 1e12
	maxText      = 500
)

// ParsePrices reads a table of one's own, YAML or JSON, and lays it over the built-in one: what it prices replaces all rows of
// that ID in that region, or everywhere where it names none. name is what the table is called in the output.
//
//	asOf: 2026-11-01
//	prices:
//	  - id: Amazon_S3.egress.region
//	    region: eu-west-1       # of AWS; left out: everywhere
//	    price: 0.015            # of the unit that the built-in table has for this ID
//	    currency: USD           # left out: USD
//	    unit: GB                # may be given, and must be that unit
//	    from: 0                 # first quantity of a tier
//	    source: our contract
//
// The error names every wrong row by its number and field, with the value and what is allowed.
func ParsePrices(document []byte, name string) (*Prices, error) {
	file, err := readPrices(document)
	if err != nil {
		return nil, err
	}
	var errs []error
	refuse := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: "+format, append([]any{field}, args...)...))
	}
	for _, key := range slices.Sorted(maps.Keys(file)) {
		if key != "asOf" && key != "prices" {
			refuse(quoted(key), "there is no such field; allowed are asOf and prices")
		}
	}
	asOf, isText := file["asOf"].(string)
	if _, err := time.Parse(time.DateOnly, asOf); !isText || err != nil {
		refuse("asOf", "%s: required is the date of the prices, such as 2026-11-01", quoted(file["asOf"]))
	}
	list, isList := file["prices"].([]any)
	if !isList || len(list) == 0 || len(list) > maxRows {
		refuse("prices", "required is a list of 1 to %d rows", maxRows)
		list = nil
	}
	var rows []Price
	for i, entry := range list {
		row, err := readRow(entry)
		if err != nil {
			errs = append(errs, fmt.Errorf("row %d: %w", i+1, err))
		}
		rows = append(rows, row)
	}
	if len(errs) == 0 {
		errs = checkTiers(rows)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return Builtin().with(asOf, name, rows), nil
}

// readPrices decodes the document without aliases, which could make a short one endless.
func readPrices(document []byte) (map[string]any, error) {
	if len(document) > maxPriceFile {
		return nil, fmt.Errorf("the document has %d bytes; allowed are %d", len(document), maxPriceFile)
	}
	parsed, err := parser.ParseBytes(document, 0)
	if err != nil {
		return nil, fmt.Errorf("the document is neither YAML nor JSON: %s", firstLine(err))
	}
	if len(parsed.Docs) != 1 || parsed.Docs[0].Body == nil {
		return nil, errors.New("the document must be one object with asOf and prices")
	}
	body := parsed.Docs[0].Body
	for _, kind := range []ast.NodeType{ast.AliasType, ast.AnchorType, ast.MergeKeyType, ast.TagType} {
		if len(ast.Filter(kind, body)) > 0 {
			return nil, errors.New("the document has anchors, aliases or tags; write everything out")
		}
	}
	var value any
	if err := yaml.NodeToValue(body, &value); err != nil {
		return nil, fmt.Errorf("the document cannot be read: %s", firstLine(err))
	}
	file, isObject := value.(map[string]any)
	if !isObject {
		return nil, errors.New("the document must be one object with asOf and prices")
	}
	return file, nil
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

var (
	currencyForm = regexp.MustCompile(`^[A-Z]{3}$`)
	decimal      = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)
	regionForm   = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]{2,12}){1,2}-[0-9]{1,2}$`)
)

// IsRegion reports whether a text has the form of an AWS region's name.
func IsRegion(name string) bool { return regionForm.MatchString(name) }

// IsInstance reports whether a text has the form of an instance type's name.
func IsInstance(name string) bool { return instanceType.MatchString(name) }

// readRow reads one row.
func readRow(entry any) (Price, error) {
	fields, isObject := entry.(map[string]any)
	if !isObject {
		return Price{}, errors.New("a row is an object with id and price")
	}
	r := rowReader{fields: fields}
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		if !slices.Contains([]string{"id", "region", "price", "currency", "unit", "from", "source"}, key) {
			r.refuse(key, "there is no such field; allowed are id, region, price, currency, unit, from and source")
		}
	}
	p := Price{ID: r.text("id", ""), Region: r.text("region", ""), Currency: r.text("currency", dollar), Source: r.text("source", ""), Confirmed: true}
	unit, known := UnitOf(p.ID)
	if !known {
		r.refuse("id", "%s: allowed are %s", quoted(fields["id"]), strings.Join(IDs(), ", "))
	}
	if given := r.text("unit", unit.Name); known && given != unit.Name {
		r.refuse("unit", "%s: prices of %s are for one %s", quoted(given), p.ID, unit.Name)
	}
	if p.Region != "" && !IsRegion(p.Region) {
		r.refuse("region", "%s: allowed is a region of AWS, such as eu-west-1", quoted(p.Region))
	}
	if known && p.Region != "" && !ofAWS(p.ID) {
		r.refuse("region", "%s: prices of %s have no region", quoted(p.Region), p.ID)
	}
	if !currencyForm.MatchString(p.Currency) {
		r.refuse("currency", "%s: allowed are three capital letters, such as USD", quoted(p.Currency))
	}
	p.Price = r.number("price", maxPrice, true)
	p.From = r.number("from", maxTier, false)
	return p, errors.Join(r.errs...)
}

// ofAWS tells whether prices of an ID differ between regions of AWS.
func ofAWS(id string) bool {
	owner, _, _ := strings.Cut(id, ".")
	return slices.Contains([]string{"Amazon_S3", "SQS", "DynamoDB", "EC2", "StepFunctions", "Lambda", "CloudWatch", "KMS", "SSM"}, owner)
}

// rowReader reads the fields of one row and gathers what is wrong.
type rowReader struct {
	fields map[string]any
	errs   []error
}

func (r *rowReader) refuse(field, format string, args ...any) {
	r.errs = append(r.errs, fmt.Errorf("%.80s: "+format, append([]any{field}, args...)...))
}

func (r *rowReader) text(field, fallback string) string {
	value, given := r.fields[field]
	if !given {
		return fallback
	}
	s, isText := value.(string)
	if !isText || len(s) > maxText {
		r.refuse(field, "%s: allowed is text of up to %d bytes", quoted(value), maxText)
		return fallback
	}
	return s
}

func (r *rowReader) number(field string, most float64, required bool) float64 {
	value, given := r.fields[field]
	if !given && !required {
		return 0
	}
	var v float64
	switch n := value.(type) {
	case float64:
		v = n
	case uint64:
		v = float64(n)
	case int64:
		v = float64(n)
	case string: // the decoder takes 1e-3 for a text, which is a number in JSON
		var err error
		if v, err = strconv.ParseFloat(n, 64); err != nil || !decimal.MatchString(n) {
			v = math.NaN()
		}
	default:
		v = math.NaN()
	}
	if math.IsNaN(v) || v < 0 || v > most {
		r.refuse(field, "%s: allowed is a number from 0 to %.0f", quoted(value), most)
		return 0
	}
	return v
}

// quoted prints a value for a message, cut where it is long.
func quoted(v any) string {
	if v == nil {
		return "nothing"
	}
	if s, isText := v.(string); isText {
		return fmt.Sprintf("%.80q", s)
	}
	return fmt.Sprintf("%.80v", fmt.Sprint(v))
}

// checkTiers refuses rows that contradict each other: the tiers of one price begin at 0, differ in where they begin, and have one
// currency.
func checkTiers(rows []Price) (errs []error) {
	type key struct{ id, region string }
	first := map[key]Price{}
	starts := map[key]map[float64]bool{}
	for i, p := range rows {
		k := key{p.ID, p.Region}
		if starts[k] == nil {
			starts[k], first[k] = map[float64]bool{}, p
		}
		if starts[k][p.From] {
			errs = append(errs, fmt.Errorf("row %d: from: %v: another row prices %s from the same quantity", i+1, p.From, p.ID))
		}
		if p.Currency != first[k].Currency {
			errs = append(errs, fmt.Errorf("row %d: currency: %s: another row prices %s in %s; all tiers have one currency", i+1, p.Currency, p.ID, first[k].Currency))
		}
		starts[k][p.From] = true
	}
	for i, p := range rows {
		k := key{p.ID, p.Region}
		if first[k] == p && !starts[k][0] {
			errs = append(errs, fmt.Errorf("row %d: from: %v: the first tier of %s must begin at 0", i+1, p.From, p.ID))
		}
	}
	return errs
}
