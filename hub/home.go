package main

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/limpet-monitoring/limpet/hub/internal/authority"
	"github.com/limpet-monitoring/limpet/hub/internal/client"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
)

// home is what this hub is called and where its commands find it.
type home struct {
	data         string
	key          string // admin key
	first        bool   // the key was made just now
	url          string // for browsers and agents, without a slash at its end
	addresses    []string
	tokenCommand string
	local        bool          // only this machine can reach it
	pin          func() string // curl's flags for a certificate of our own, "" for a public one
}

// fault is an error that a person can do something about.
func fault(err error, doing, hint string) error {
	text := err.Error()
	if doing != "" {
		text = doing + ": " + text
	}
	kind := client.Refused
	switch {
	case errors.Is(err, fs.ErrPermission):
		kind = client.NotAllowed
	case errors.Is(err, fs.ErrNotExist):
		kind = client.NoFile
	}
	return &client.Fault{Kind: kind, Text: text, Hint: hint}
}

func listenFault(addr string, err error) error {
	var dns *net.DNSError
	var bad *net.AddrError
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return &client.Fault{Text: addr + " is in use by another program", Hint: "stop it, or listen elsewhere with --listen"}
	case errors.Is(err, fs.ErrPermission):
		return &client.Fault{Kind: client.NotAllowed, Text: "listen on " + addr + ": permission denied", Hint: "ports below 1024 need a privilege; choose another with --listen"}
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.As(err, &dns):
		return &client.Fault{Text: "this machine has no address " + addr, Hint: "name one of its own with --listen, or :8700 for all of them"}
	case errors.As(err, &bad):
		return &misuse{"--listen " + addr + " is no address", "write it like 127.0.0.1:8700, or :8700 for every interface"}
	}
	return &client.Fault{Text: err.Error(), Hint: "look at --listen"}
}

// openSite makes the data folder and the admin key where they are missing.
func openSite(data string) (*home, error) {
	hint := "give a folder with --data that the hub's user can write"
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, fault(err, "open data folder", hint)
	}
	s := &home{data: data}
	name := filepath.Join(data, client.KeyFile)
	text, err := os.ReadFile(name)
	switch {
	case err == nil:
		s.key = strings.TrimSpace(string(text))
	case errors.Is(err, fs.ErrNotExist):
		secret := make([]byte, 32)
		_, _ = rand.Read(secret) // never fails
		s.key, s.first = hex.EncodeToString(secret), true
		if err := fsys.WriteNew(fsys.Disk{}, name, []byte(s.key+"\n"), 0o600); err != nil {
			return nil, fault(err, "write the admin key", hint)
		}
	default:
		return nil, fault(err, "read the admin key", hint)
	}
	if len(s.key) < 32 {
		return nil, &client.Fault{Text: name + " holds no key", Hint: "remove the file; the next start makes a new key"}
	}
	return s, nil
}

// announce settles the hub's URL and writes what commands on this machine need to find and verify it.
func (s *home) announce(at net.Addr, o serveOptions, who *authority.Authority) error {
	bound, err := netip.ParseAddrPort(at.String())
	if err != nil {
		return fmt.Errorf("read own address: %w", err)
	}
	trusted := who.CA()
	if o.cert != "" {
		if trusted, err = os.ReadFile(o.cert); err != nil {
			return fault(err, "read the certificate", "look at --cert")
		}
	}
	dial := bound
	if bound.Addr().IsUnspecified() {
		dial = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), bound.Port())
	}
	s.pin = func() string { return "" }
	if o.cert == "" {
		s.pin = func() string { return " -k --pinnedpubkey 'sha256//" + who.Pin() + "'" }
	}
	s.local = bound.Addr().Unmap().IsLoopback()
	s.url = "https://" + net.JoinHostPort(s.host(bound.Addr().Unmap(), o, trusted), fmt.Sprint(bound.Port()))
	s.addresses = reachable(bound)
	whole, err := filepath.Abs(s.data)
	if err != nil {
		return fmt.Errorf("find data folder: %w", err)
	}
	s.tokenCommand = "limpet-hub token create --data " + quoted(whole)
	// The address comes last: who finds it finds what it takes to believe it.
	for _, file := range []struct{ name, text string }{{client.CAFile, string(trusted)}, {client.AddressFile, s.url + "\n" + dial.String() + "\n"}} {
		if err := fsys.WriteNew(fsys.Disk{}, filepath.Join(s.data, file.name), []byte(file.text), 0o644); err != nil {
			return fault(err, "write "+file.name, "the hub's user must be able to write "+s.data)
		}
	}
	return nil
}

// host is what to call the hub: the first --name, what a given certificate is for, the address it listens on, else the
// machine's name.
func (s *home) host(bound netip.Addr, o serveOptions, trusted []byte) string {
	if len(o.names) > 0 {
		return o.names[0]
	}
	if o.cert != "" {
		if block, _ := pem.Decode(trusted); block != nil {
			if leaf, err := x509.ParseCertificate(block.Bytes); err == nil && len(leaf.DNSNames) > 0 {
				return leaf.DNSNames[0]
			}
		}
	}
	if !bound.IsUnspecified() {
		return bound.String()
	}
	if name, err := os.Hostname(); err == nil && name != "" {
		return name
	}
	return "127.0.0.1"
}

// reachable are the addresses agents may dial without a name.
func reachable(bound netip.AddrPort) []string {
	if !bound.Addr().IsUnspecified() {
		return []string{netip.AddrPortFrom(bound.Addr().Unmap(), bound.Port()).String()}
	}
	found, err := net.InterfaceAddrs()
	if err != nil {
		return nil // agents then go by name alone
	}
	var all []string
	for _, a := range found {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().IsGlobalUnicast() {
			all = append(all, netip.AddrPortFrom(p.Addr(), bound.Port()).String())
		}
	}
	return all
}

// greet prints where the console is and, at the first start, how to get in.
func (s *home) greet(w io.Writer, data string) {
	var b bytes.Buffer
	fmt.Fprintln(&b, "limpet-hub "+version+": "+s.url)
	if s.first {
		fmt.Fprintln(&b, "sign in: limpet-hub signin --data "+quoted(data))
	}
	_, _ = w.Write(b.Bytes())
}

// install are the commands that put a box onto this hub. The token is in no process's arguments: it is in the environment of
// the shell that runs the script. Where the certificate is the hub's own CA's, curl is told its key instead.
func (s *home) install(token string) []string {
	lines := []string{s.installLine(token)}
	if s.local {
		lines = append([]string{"# on this machine only: the hub listens on " + strings.TrimPrefix(s.url, "https://") + "; --listen :8700 lets others in"}, lines...)
	}
	return lines
}

func (s *home) installLine(token string) string {
	return "curl -fsSL" + s.pin() + " " + s.url + "/install.sh | TOKEN=" + token + " sh"
}

// quoted makes one word of a path for a POSIX shell.
func quoted(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
