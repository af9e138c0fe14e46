package metrics

import (
	"maps"
	"math"
	"slices"
)

// maxValues is how many values a metric may have in one line of the format.
const maxValues = 100

// Values beyond the first hundred are kept in classes, of which each is wider than the one below it by this factor: what is
// read back is less than one per cent off.
const growth = 1.02

// distribution keeps what is needed to tell how values are distributed, in bounded memory. The zero value is empty.
type distribution struct {
	exact []float64 // all values, while they are few
	// Once they are many: how many fell into each class, and the ends as they were.
	classes  map[int]int64
	n        int64
	low, top float64
}

func classOf(v float64) int { return int(math.Floor(math.Log(v) / math.Log(growth))) }

// valueOf is the middle of a class, in the sense that it is equally far, as a factor, from both ends.
func valueOf(class int) float64 { return math.Pow(growth, float64(class)+0.5) }

// smallest stands for everything below it: a millionth of a millisecond is none.
const smallest = 1e-6

func (d *distribution) add(v float64) {
	if d.classes == nil && len(d.exact) < maxValues {
		d.exact = append(d.exact, v)
		return
	}
	d.spread()
	d.put(v, 1)
}

// spread goes over from single values to classes.
func (d *distribution) spread() {
	if d.classes != nil {
		return
	}
	d.classes, d.low, d.top = map[int]int64{}, math.Inf(1), 0
	for _, v := range d.exact {
		d.put(v, 1)
	}
	d.exact = nil
}

func (d *distribution) put(v float64, n int64) {
	d.classes[classOf(max(v, smallest))] += n
	d.n += n
	d.low, d.top = min(d.low, v), max(d.top, v)
}

// merge adds what another distribution has.
func (d *distribution) merge(o *distribution) {
	for _, v := range o.exact {
		d.add(v)
	}
	if o.classes == nil {
		return
	}
	d.spread()
	for class, n := range o.classes {
		d.classes[class] += n
	}
	d.n += o.n
	d.low, d.top = min(d.low, o.low), max(d.top, o.top)
}

// values returns at most a hundred values in rising order that are distributed as all were: all of them when there are no
// more, else the least, the greatest, and between them those that divide all into equal parts.
func (d *distribution) values() []float64 {
	if d.classes == nil {
		return slices.Sorted(slices.Values(d.exact))
	}
	values := make([]float64, 0, maxValues)
	classes := slices.Sorted(maps.Keys(d.classes))
	at, seen := 0, d.classes[classes[0]]
	for i := range int64(maxValues) {
		rank := i * (d.n - 1) / (maxValues - 1)
		for seen <= rank {
			at++
			seen += d.classes[classes[at]]
		}
		values = append(values, min(max(valueOf(classes[at]), d.low), d.top))
	}
	values[0], values[maxValues-1] = d.low, d.top
	return values
}
