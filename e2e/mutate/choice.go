package main

import (
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
)

// selection is a package, and which of its tests are run how.
type selection struct {
	path         string
	files, flags []string
}

func selectionOf(arg string) selection {
	path, rest, _ := strings.Cut(arg, ":")
	files, flags, _ := strings.Cut(rest, ":")
	list := func(s string) []string { return strings.FieldsFunc(s, func(r rune) bool { return r == ',' }) }
	return selection{path, list(files), list(flags)}
}

// choice is which changes of a package are made.
type choice struct {
	only   string // a file with their names, "" = all
	sample int    // so many of those, 0 = all
	seed   uint64
}

// of lists the places of the chosen changes, in an order drawn by chance: what a run that is cut off has made is a sample, too.
func (c choice) of(mutants []mutant) ([]int, error) {
	var list []int
	for i := range mutants {
		list = append(list, i)
	}
	if c.only != "" {
		data, err := os.ReadFile(c.only)
		if err != nil {
			return nil, err
		}
		names := strings.Split(string(data), "\n")
		list = slices.DeleteFunc(list, func(i int) bool { return !slices.Contains(names, mutants[i].name) })
	}
	rand.New(rand.NewPCG(c.seed, 0)).Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	if c.sample > 0 {
		list = list[:min(c.sample, len(list))]
	}
	return list, nil
}

// bounds are Wilson's for a share of which a sample is known, at 95 % confidence.
func bounds(hits, of int) (low, high float64) {
	if of == 0 {
		return 0, 1
	}
	const z = 1.96
	n, p := float64(of), float64(hits)/float64(of)
	middle := (p + z*z/(2*n)) / (1 + z*z/n)
	half := z / (1 + z*z/n) * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	return max(0, middle-half), min(1, middle+half)
}
