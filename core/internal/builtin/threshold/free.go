package threshold

import (
	"fmt"
	"math"
	"strings"
)

// Free is how much of something must be free: check_disk's and check_swap's way to say a limit. The zero value is none. As
// with those plugins, exactly the limit left is too little.
type Free struct {
	Value   float64 // percent, or bytes
	Percent bool
	Most    float64 // with Percent: never more than this many bytes; 0 = no such cap
	Given   bool
}

// ParseFree reads "10%" or a number of units.
func ParseFree(text string) (Free, error) {
	number, percent := strings.CutSuffix(text, "%")
	v, err := Number(number)
	if err != nil || v < 0 || percent && v > 100 {
		return Free{}, fmt.Errorf("%q is neither a size nor a percentage", text)
	}
	return Free{Value: v, Percent: percent, Given: true}, nil
}

// IntoFree gives a setter for option.Set.Value that reads a limit into f.
func IntoFree(f *Free) func(string) error {
	return func(text string) (err error) {
		*f, err = ParseFree(text)
		return err
	}
}

// Broken says whether too little is free of so many bytes.
func (f Free) Broken(free, total float64) bool {
	if !f.Given {
		return false
	}
	if f.Percent {
		return free*100 <= f.Value*total && (f.Most == 0 || free <= f.Most)
	}
	return free <= f.Value
}

// Left gives the limit as bytes free of a total.
func (f Free) Left(total float64) float64 {
	if !f.Percent {
		return f.Value
	}
	left := math.Floor(f.Value / 100 * total)
	if f.Most > 0 {
		left = min(left, f.Most)
	}
	return left
}

// Used gives the limit as bytes used of a total.
func (f Free) Used(total float64) float64 {
	if f.Percent && (f.Most == 0 || f.Value/100*total <= f.Most) {
		return math.Floor((1 - f.Value/100) * total)
	}
	return max(0, total-f.Left(total))
}
