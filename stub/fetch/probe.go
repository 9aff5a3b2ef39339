package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/boxfile"
	"github.com/limpet-monitoring/limpet/updater/dial"
)

const probeTime = 30 * time.Second

// probe says whether an address can be reached from here, by which way, and what is odd about it. Any
// answer of a server counts as reached.
func probe(ctx context.Context, args []string, out io.Writer) error {
	root, address := os.Getenv("LIMPET_ROOT"), ""
	for i := 0; i < len(args); i++ {
		switch {
		case args[i] == "--root" && i+1 < len(args):
			i++
			root = args[i]
		case address == "" && args[i] != "" && args[i][0] != '-':
			address = args[i]
		default:
			return misuse("probe takes one URL and --root DIR, not " + args[i])
		}
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return misuse("probe needs one http(s) URL")
	}
	l, err := platforms.Locate(root)
	if err != nil {
		return err
	}
	o, err := probeOptions(l, u)
	if err != nil {
		return err
	}
	d, err := dial.New(o)
	if err != nil {
		return err
	}
	return ask(ctx, d, u, out)
}

func probeOptions(l platforms.Layout, u *url.URL) (dial.Options, error) {
	box, _, err := boxfile.Read(l.BoxFile())
	if err != nil {
		return dial.Options{}, err
	}
	p := place{layout: l, box: box}
	o, err := p.route()
	if err != nil {
		return o, err
	}
	o.Memory = "" // a look leaves no trace
	if t, err := storedDocument(l); err == nil && t != nil && ofHub(box, u.String()) {
		o.HubCA = t.document.CA
	}
	return o, nil
}

func ask(ctx context.Context, d *dial.Dialer, u *url.URL, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, u.String(), nil)
	if err != nil {
		return err
	}
	begin := time.Now()
	resp, err := d.HTTPTransport().RoundTrip(req)
	if err != nil {
		return fmt.Errorf("reach %s: %w", u.Redacted(), err)
	}
	resp.Body.Close()
	took, route := time.Since(begin).Round(time.Millisecond), d.Route()
	fmt.Fprintf(out, "%s answers %s after %v\n", u.Redacted(), resp.Status, took)
	fmt.Fprintf(out, "way: %s, %s", route.Rung, route.Address)
	if route.Proxy != "" {
		fmt.Fprintf(out, ", proxy %s", route.Proxy)
	}
	fmt.Fprintln(out)
	if route.Skew != 0 {
		fmt.Fprintf(out, "warning: this clock is %v outside of the dates of the certificate\n", route.Skew.Round(time.Second))
	}
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		if off := time.Until(date).Round(time.Second); off.Abs() > time.Minute {
			fmt.Fprintf(out, "warning: this clock is %v off from the server's\n", -off)
		}
	}
	return nil
}
