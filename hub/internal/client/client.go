// Package client is the command line's side of the hub's HTTP interface: it finds the hub, proves itself with the admin key,
// and turns refusals into errors with a hint. It knows paths and bodies, not what they mean.
package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/limpet-monitoring/limpet/hub/internal/desired"
)

// Files below the hub's data folder that a command on the same machine reads.
const (
	AddressFile = "hub.addr"  // two lines: the hub's URL, and the address to dial for it
	KeyFile     = "admin.key" // the admin key, one line
	CAFile      = "hub.ca"    // PEM: what the hub's certificate is verified with
)

// Limits.
const (
	maxFile    = 1 << 20
	maxAnswer  = 256 << 20 // the list of a very large fleet
	dialWithin = 10 * time.Second
	waitFor    = 60 * time.Second // the first byte of an answer
)

// Kind says what a person can do about a fault; the command line makes an exit code of it.
type Kind int

// Kinds of faults.
const (
	Refused     Kind = iota // by the hub
	NotFound                // what was named is not there
	Invalid                 // a document that was sent holds mistakes
	Away                    // the agent is not connected
	Unreachable             // no hub answers
	NoFile                  // a file is missing
	NotAllowed              // a file cannot be read, or the key is wrong
)

// Fault is an error with what to do about it.
type Fault struct {
	Kind     Kind
	Text     string
	Hint     string
	Problems []desired.Problem // of an Invalid
}

func (f *Fault) Error() string { return f.Text }

// Place says where the hub is: Data, the hub's own folder on this machine, or URL and Key.
type Place struct {
	Data string
	URL  string
	Key  string // file with the admin key
	CA   string // PEM file; "" = that of Data, else the system's
}

// Client talks to one hub.
type Client struct {
	base string
	key  string
	http *http.Client
}

// Open reads what Place names; it talks to nobody yet.
func Open(p Place) (*Client, error) {
	base, dial := p.URL, ""
	if p.URL == "" {
		text, err := read(filepath.Join(p.Data, AddressFile), "is "+p.Data+" the folder given to limpet-hub serve --data, and did the hub ever run?")
		if err != nil {
			return nil, err
		}
		base, dial, _ = strings.Cut(text, "\n")
	}
	if u, err := url.Parse(base); err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, &Fault{Kind: Refused, Text: fmt.Sprintf("the hub's URL %q is none", base), Hint: "write it like https://hub.example.com:8700"}
	}
	keyFile := p.Key
	if keyFile == "" && p.Data != "" {
		keyFile = filepath.Join(p.Data, KeyFile)
	}
	key, err := read(keyFile, "run this as the user the hub runs as, or give a copy of its admin.key with --key-file")
	if err != nil {
		return nil, err
	}
	roots, err := roots(p)
	if err != nil {
		return nil, err
	}
	t := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}, ForceAttemptHTTP2: true,
		Proxy: http.ProxyFromEnvironment,
	}
	d := net.Dialer{Timeout: dialWithin}
	t.DialContext = d.DialContext
	if dial != "" { // the hub on this machine, whatever its name is
		t.Proxy = nil
		t.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return d.DialContext(ctx, network, dial)
		}
	}
	return &Client{base: strings.TrimRight(base, "/"), key: key, http: &http.Client{Transport: t}}, nil
}

func roots(p Place) (*x509.CertPool, error) {
	file := p.CA
	if file == "" && p.Data != "" {
		file = filepath.Join(p.Data, CAFile)
	}
	if file == "" {
		return nil, nil // the system's
	}
	text, err := read(file, "give the hub's CA with --ca")
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(text)) {
		return nil, &Fault{Kind: NotAllowed, Text: file + " holds no certificate", Hint: "give the hub's CA as a PEM file with --ca"}
	}
	return pool, nil
}

// read gives a small file's text without blanks around it.
func read(name, hint string) (string, error) {
	if name == "" {
		return "", &Fault{Kind: NotAllowed, Text: "no admin key", Hint: "give the hub's data folder with --data, or a key with --key-file"}
	}
	f, err := os.Open(name)
	if err != nil {
		kind := NoFile
		if errors.Is(err, fs.ErrPermission) {
			kind = NotAllowed
		}
		return "", &Fault{Kind: kind, Text: "read " + name + ": " + plain(err), Hint: hint}
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return "", &Fault{Kind: NoFile, Text: "read " + name + ": " + plain(err), Hint: hint}
	}
	return strings.TrimSpace(string(text)), nil
}

// plain takes the call and the path off a file error.
func plain(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

// Do asks and gives the whole answer.
func (c *Client) Do(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, waitFor)
	defer cancel()
	r, err := c.Stream(ctx, method, path, body)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, maxAnswer))
	if err != nil {
		return nil, c.unreachable(err)
	}
	return data, nil
}

// Stream asks and gives the answer as it comes. The caller closes it.
func (c *Client) Stream(ctx context.Context, method, path string, body []byte) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+"/api/v1"+path, bytes.NewReader(body))
	if err != nil {
		return nil, &Fault{Text: err.Error(), Hint: "look at --hub"}
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	req.Header.Set("X-Limpet", "1")
	answer, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(err)
	}
	if answer.StatusCode/100 == 2 {
		return answer.Body, nil
	}
	defer answer.Body.Close()
	return nil, c.refused(answer)
}

func (c *Client) refused(answer *http.Response) error {
	var said struct {
		Error    string            `json:"error"`
		Hint     string            `json:"hint"`
		Problems []desired.Problem `json:"problems"`
	}
	data, _ := io.ReadAll(io.LimitReader(answer.Body, maxFile))
	if json.Unmarshal(data, &said) != nil || said.Error == "" {
		return &Fault{Kind: Unreachable, Text: fmt.Sprintf("what answers at %s is no limpet-hub (it said %s)", c.base, answer.Status), Hint: "look at the address, and at what is between here and the hub"}
	}
	f := &Fault{Text: said.Error, Hint: said.Hint, Problems: said.Problems}
	switch answer.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests:
		f.Kind = NotAllowed
	case http.StatusNotFound:
		f.Kind = NotFound
	case http.StatusUnprocessableEntity:
		f.Kind = Invalid
	case http.StatusBadGateway, http.StatusServiceUnavailable:
		f.Kind = Away
	}
	return f
}

// unreachable says in one line why no hub answered.
func (c *Client) unreachable(err error) error {
	var unknownCA x509.UnknownAuthorityError
	var name x509.HostnameError
	var verify *tls.CertificateVerificationError
	var dns *net.DNSError
	f := &Fault{Kind: Unreachable}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		f.Text, f.Hint = "no hub answers at "+c.base+": connection refused", "is limpet-hub serve running there?"
	case errors.As(err, &dns):
		f.Text, f.Hint = "the name of "+c.base+" cannot be resolved", "look at --hub"
	case errors.As(err, &name):
		f.Text, f.Hint = "the hub at "+c.base+" has a certificate for other names: "+name.Error(), "call it by one of them, or start it with --name"
	case errors.As(err, &unknownCA), errors.As(err, &verify):
		f.Text, f.Hint = "the certificate at "+c.base+" is not signed by a CA that is trusted here", "give the hub's own CA (hub.ca in its data folder) with --ca, or the folder with --data"
	case errors.Is(err, context.DeadlineExceeded):
		f.Text, f.Hint = "the hub at "+c.base+" does not answer in time", "look at its log"
	default:
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		f.Text, f.Hint = "talk to the hub at "+c.base+": "+err.Error(), "is that address a limpet-hub's?"
	}
	return f
}
