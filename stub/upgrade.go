package main

import (
	"os"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/plain"
)

// upgradeStub has limpet-fetch replace the two of them: it has the network, and this program may be the one
// that is broken. It runs in our place, with the caller's rights.
func upgradeStub(l platforms.Layout, args []string) error {
	code, err := platforms.Replace(nil, l.Fetch(), append(append([]string{"limpet-fetch", "upgrade-stub"}, l.RootArgs()...), args...), os.Environ())
	if err != nil {
		return plain.Wrap("run "+l.Fetch(), err)
	}
	if code != 0 {
		return &fault{code: code}
	}
	return nil
}
