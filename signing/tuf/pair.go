package tuf

import (
	"slices"
	"strconv"
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
			return na > nb
		}
		ta, ra := upToDigit(ra)
		tb, rb := upToDigit(rb)
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

func leadingNumber(s string) (uint64, string) {
	i := 0
	for i < len(s) && i < 18 && '0' <= s[i] && s[i] <= '9' {
		i++
	}
	n, _ := strconv.ParseUint(s[:i], 10, 64)
	return n, s[i:]
}

func upToDigit(s string) (string, string) {
	i := strings.IndexAny(s, "0123456789")
	if i < 0 {
		return s, ""
	}
	return s[:i], s[i:]
}
