package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/boxfile"
	"github.com/limpet-monitoring/limpet/platforms/confine"
)

// confineErrand takes all rights away from a process that the stub sent out, but for those that the errand
// needs: nothing of the network was read yet. It is for main alone: it cannot be undone.
func confineErrand(args []string, stderr io.Writer) {
	if len(args) == 0 || args[0] != "look" && args[0] != "get" {
		return
	}
	root := ""
	for i := range args[1:] {
		if args[i] == "--root" {
			root = args[i+1]
		}
	}
	l, err := platforms.Locate(root)
	if err != nil {
		return // the errand says so
	}
	box, _, err := boxfile.Read(l.BoxFile())
	if err != nil {
		return
	}
	rules := confine.Rules{Read: append(ofTheSystem(), ofTheBox(l, box)...), Write: []string{l.Part()}, Network: true}
	if err := confine.Enter(rules); err != nil {
		io.WriteString(stderr, "warning: not wholly confined: "+err.Error()+"\n")
	}
}

// ofTheBox is what an errand reads of ours, and of what the box file names.
func ofTheBox(l platforms.Layout, box boxfile.Box) []string {
	paths := []string{l.BoxFile(), filepath.Dir(l.TrustCore()), l.Addresses(), box.CA, box.ProxyPasswordFile}
	for _, m := range box.Mirror {
		if !strings.Contains(m, "://") {
			paths = append(paths, m)
		}
	}
	return paths
}

// ofTheSystem is where it is known how names become addresses, and which authorities vouch for a name: the
// files that the standard library looks for, on any distribution, and what they are links to.
func ofTheSystem() []string {
	paths := []string{
		"/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/services", "/etc/mdns.allow",
		"/etc/ssl/certs", "/etc/pki/tls/certs", "/etc/pki/ca-trust", "/etc/ca-certificates", "/var/lib/ca-certificates",
		"/usr/share/ca-certificates", "/usr/local/share/ca-certificates", "/usr/share/pki", "/usr/share/ca-certs",
		"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/pki/tls/cert.pem", "/etc/pki/tls/cacert.pem",
		"/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem", os.Getenv("SSL_CERT_FILE"),
	}
	paths = append(paths, filepath.SplitList(os.Getenv("SSL_CERT_DIR"))...)
	// It is replaced, not written to, when the network changes: what matters is its folder, unless that is all of /etc.
	if to, err := filepath.EvalSymlinks("/etc/resolv.conf"); err == nil && filepath.Dir(to) != "/etc" {
		paths = append(paths, filepath.Dir(to))
	}
	return paths
}
