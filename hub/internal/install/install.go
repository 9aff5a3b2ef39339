// Package install makes the script that puts Limpet on a box, fetched with curl and piped into sh. It names the programs that the
// release repository lists, with their hashes, so that whoever has the script from the hub needs to trust no line after that. The
// script itself is install.sh, what takes a box off again is uninstall.sh; docs/install.md is their page.
package install

import (
	_ "embed"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/limpet-monitoring/limpet/signing/tuf"
)

//go:embed install.sh
var script string

//go:embed uninstall.sh
var uninstall string

// What may stand between quotes in the script.
var (
	plainURL  = regexp.MustCompile(`^https://[0-9A-Za-z.:\[\]_/-]+$`)
	plainFile = regexp.MustCompile(`^[0-9A-Za-z._/-]+$`)
)

// Script is the installer of a hub: url is its address, without a slash at its end. set may be nil: then there is a program for
// no platform, and the script says so.
func Script(url string, set *tuf.Set) ([]byte, error) {
	if !plainURL.MatchString(url) {
		return nil, fmt.Errorf("make installer: %q is no address that can stand in a script", url)
	}
	lines, err := programs(set)
	if err != nil {
		return nil, fmt.Errorf("make installer: %w", err)
	}
	return []byte(strings.NewReplacer("@HUB@", url, "@PROGRAMS@", strings.Join(lines, "\n"), "@UNINSTALL@", strings.TrimSuffix(uninstall, "\n")).Replace(script)), nil
}

// pair are the two programs of one version.
type pair struct{ limpet, fetch *tuf.Target }

// programs are the branches of a case: for each platform the latest version that lists both.
func programs(set *tuf.Set) ([]string, error) {
	if set == nil {
		return nil, nil
	}
	targets, err := set.Under("stub/")
	if err != nil {
		return nil, err
	}
	found := map[string]map[string]*pair{} // platform → version
	for _, t := range targets {
		parts := strings.Split(t.Path, "/")
		if len(parts) != 4 || !plainFile.MatchString(t.File) {
			continue
		}
		if found[parts[1]] == nil {
			found[parts[1]] = map[string]*pair{}
		}
		p := found[parts[1]][parts[2]]
		if p == nil {
			p = &pair{}
			found[parts[1]][parts[2]] = p
		}
		switch parts[3] {
		case "limpet":
			p.limpet = &t
		case "limpet-fetch":
			p.fetch = &t
		}
	}
	var lines []string
	for platform, versions := range found {
		latest := ""
		for version, p := range versions {
			if p.limpet != nil && p.fetch != nil && (latest == "" || Later(version, latest)) {
				latest = version
			}
		}
		if latest == "" || !plainFile.MatchString(platform) {
			continue
		}
		p := versions[latest]
		lines = append(lines, fmt.Sprintf("\t%s)\n\t\tlimpet_file='%s'\n\t\tlimpet_sha256=%s\n\t\tfetch_file='%s'\n\t\tfetch_sha256=%s\n\t\t;;",
			platform, p.limpet.File, hex.EncodeToString(p.limpet.SHA256[:]), p.fetch.File, hex.EncodeToString(p.fetch.SHA256[:])))
	}
	slices.Sort(lines)
	return lines, nil
}

// Later orders versions as people read them: numbers by value, and what has a suffix ("1.0.0-rc1") before what has none.
func Later(a, b string) bool {
	for {
		na, ra := number(a)
		nb, rb := number(b)
		if na != nb {
			return na > nb
		}
		ta, ra := word(ra)
		tb, rb := word(rb)
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

func number(s string) (uint64, string) {
	i := 0
	for i < len(s) && i < 18 && '0' <= s[i] && s[i] <= '9' {
		i++
	}
	n, _ := strconv.ParseUint(s[:i], 10, 64)
	return n, s[i:]
}

func word(s string) (string, string) {
	i := strings.IndexAny(s, "0123456789")
	if i < 0 {
		return s, ""
	}
	return s[:i], s[i:]
}
