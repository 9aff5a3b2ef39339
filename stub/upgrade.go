package main

import "github.com/limpet-monitoring/limpet/platforms"

// upgradeStub has limpet-fetch replace the two of them: it has the network, and this program may be the one
// that is broken. It runs in our place, with the caller's rights.
func upgradeStub(l platforms.Layout, args []string) error {
	return giveWay(l.Fetch(), nil, l.Fetch(), append(append([]string{"limpet-fetch", "upgrade-stub"}, l.RootArgs()...), args...))
}
