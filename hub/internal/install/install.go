// Package install makes the script that puts Limpet on a box, fetched with curl and piped into sh. It names the programs that the
// release repository lists, with their hashes, so that whoever has the script from the hub needs to trust no line after that. The
// script itself is install.sh, what takes a box off again is uninstall.sh; docs/install.md is their page.
package install

import (
	_ "embed"
	"encoding/hex"
	"fmt"
	"regexp"
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

// programs are the branches of a case: for each platform the latest version that lists both.
func programs(set *tuf.Set) ([]string, error) {
	if set == nil {
		return nil, nil
	}
	pairs, err := set.Pairs()
	if err != nil {
		return nil, err
	}
	var lines []string
	latest := ""
	for _, p := range pairs {
		if p.Platform == latest || !plainFile.MatchString(p.Platform) || !plainFile.MatchString(p.Limpet.File) || !plainFile.MatchString(p.Fetch.File) {
			continue
		}
		latest = p.Platform
		lines = append(lines, fmt.Sprintf("\t%s)\n\t\tlimpet_file='%s'\n\t\tlimpet_sha256=%s\n\t\tfetch_file='%s'\n\t\tfetch_sha256=%s\n\t\t;;",
			p.Platform, p.Limpet.File, hex.EncodeToString(p.Limpet.SHA256[:]), p.Fetch.File, hex.EncodeToString(p.Fetch.SHA256[:])))
	}
	return lines, nil
}
