package tuf

import (
	"slices"
	"strings"
)

// Pair is the stub of one version for one platform: two programs that belong together.
type Pair struct {
	Platform, Version string
	Limpet, Fetch     Target
}

// Pairs lists every version of the stub that has both its programs, by platform, the latest version first.
// A program without its other half is left out.
func (s *Set) Pairs() ([]Pair, error) {
	targets, err := s.Under("stub/")
	if err != nil {
		return nil, err
	}
	half := map[[2]string]Pair{}
	var pairs []Pair
	for _, t := range targets {
		parts := strings.Split(t.Path, "/")
		if len(parts) != 4 {
			continue
		}
		key := [2]string{parts[1], parts[2]}
		p := half[key]
		p.Platform, p.Version = parts[1], parts[2]
		switch t.Path {
		case StubPath(p.Platform, p.Version, "limpet"):
			p.Limpet = t
		case StubPath(p.Platform, p.Version, "limpet-fetch"):
			p.Fetch = t
		default:
			continue
		}
		half[key] = p
		if p.Limpet.Path != "" && p.Fetch.Path != "" {
			pairs = append(pairs, p)
		}
	}
	slices.SortFunc(pairs, func(a, b Pair) int {
		switch {
		case a.Platform != b.Platform:
			return strings.Compare(a.Platform, b.Platform)
		case Later(a.Version, b.Version):
			return -1
		case Later(b.Version, a.Version):
			return 1
		}
		return 0
	})
	return pairs, nil
}

// Later orders versions as people read them: numbers by value, and what has a suffix ("1.0.0-rc1") before what has none.
func Later(a, b string) bool {
	for {
		na, ra := leadingNumber(a)
		nb, rb := leadingNumber(b)
		if na != nb {
			return len(na) > len(nb) || len(na) == len(nb) && na > nb
		}
		ta, ra := leadingWord(ra)
		tb, rb := leadingWord(rb)
		if ta != tb {
			return afterWord(ta) > afterWord(tb) || afterWord(ta) == afterWord(tb) && ta > tb
		}
		if ra == "" && rb == "" {
			return false
		}
		a, b = ra, rb
	}
}

// afterWord says where a version goes on: a suffix comes before the end, the end before another number.
func afterWord(w string) int {
	switch {
	case strings.HasPrefix(w, "-"):
		return 0
	case w == "":
		return 1
	}
	return 2
}

const decimals = "0123456789"

// leadingNumber is the number that a version begins with, without zeros in front, and what follows it.
func leadingNumber(s string) (n, rest string) {
	rest = strings.TrimLeft(s, decimals)
	return strings.TrimLeft(strings.TrimSuffix(s, rest), "0"), rest
}

// leadingWord is what stands before the next number, and that number with all that follows it.
func leadingWord(s string) (w, rest string) {
	rest = strings.TrimLeftFunc(s, func(r rune) bool { return !strings.ContainsRune(decimals, r) })
	return strings.TrimSuffix(s, rest), rest
}
