package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/boxfile"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing/trust"
)

// options is the command line of bootstrap.
type options struct {
	root, hub, tokenFile, mirror, channel string
	programs                              string // a folder with limpet and limpet-fetch as an installer brought them
	anew                                  bool
}

func parseBootstrap(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("bootstrap", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&o.root, "root", os.Getenv("LIMPET_ROOT"), "")
	flags.StringVar(&o.hub, "hub", "", "")
	flags.StringVar(&o.tokenFile, "token-file", "", "")
	flags.StringVar(&o.mirror, "mirror", "", "")
	flags.StringVar(&o.channel, "channel", "", "")
	flags.StringVar(&o.programs, "programs", "", "")
	flags.BoolVar(&o.anew, "anew", false, "")
	if err := flags.Parse(args); err != nil {
		return o, misuse("bootstrap: " + err.Error())
	}
	if flags.NArg() > 0 {
		// It is not repeated: it may be a token.
		return o, misuse("bootstrap takes no argument beside its flags; a token comes by --token-file or LIMPET_TOKEN")
	}
	return o, nil
}

// place is everything that bootstrap is told, by its command line or the box file.
type place struct {
	layout  platforms.Layout
	box     boxfile.Box
	hub     string // URL without a slash at its end
	mirror  string // URL or folder; "" is the hub
	channel string
	passed  time.Time    // surely past, as the stub knows; zero when nobody said
	token   *trust.Token // nil: none was given
	raw     string       // the token as text
}

func (o options) place(stdin io.Reader) (place, error) {
	l, err := platforms.Locate(o.root)
	if err != nil {
		return place{}, err
	}
	box, _, err := boxfile.Read(l.BoxFile()) // its problems are the core's to report
	if err != nil {
		return place{}, err
	}
	p := place{layout: l, box: box, mirror: o.mirror, channel: firstOf(o.channel, box.Channel, "stable")}
	if p.mirror == "" && len(box.Mirror) > 0 {
		p.mirror = box.Mirror[0]
	}
	if p.hub, err = hubAddress(firstOf(o.hub, box.Hub())); err != nil {
		return place{}, err
	}
	p.token, p.raw, err = readToken(o.tokenFile, stdin)
	return p, err
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

func hubAddress(text string) (string, error) {
	if text == "" {
		return "", misuse("bootstrap needs the hub's address: --hub https://HUB:8700")
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return "", &fault{exitUsage, fmt.Errorf("%q is not the address of a hub", text), "it looks like https://hub.example:8700"}
	}
	return strings.TrimRight(u.Scheme+"://"+u.Host+u.Path, "/"), nil
}

const maxToken = 4 << 10 // bytes of a token file

// readToken reads the token from a file, stdin or the environment, never from the command line, where
// everybody on the machine could read it.
func readToken(file string, stdin io.Reader) (*trust.Token, string, error) {
	var text string
	switch file {
	case "":
		text = os.Getenv("LIMPET_TOKEN")
	case "-":
		data, err := io.ReadAll(io.LimitReader(stdin, maxToken))
		if err != nil {
			return nil, "", fmt.Errorf("read token from stdin: %w", err)
		}
		if text = string(data); strings.TrimSpace(text) == "" {
			return nil, "", misuse("there is no token on stdin")
		}
	default:
		data, err := fsys.Read(fsys.Disk{}, file, maxToken)
		if err != nil {
			return nil, "", &fault{exitUsage, fmt.Errorf("read token: %w", err), "--token-file names a file with what `limpet-hub token create` printed"}
		}
		if text = string(data); strings.TrimSpace(text) == "" {
			return nil, "", &fault{exitUsage, errors.New("the token file " + file + " is empty"), "--token-file names a file with what `limpet-hub token create` printed"}
		}
	}
	text = strings.TrimSpace(text)
	if text == "" {
		return nil, "", nil
	}
	token, err := trust.ParseToken(text)
	if err != nil {
		return nil, "", err
	}
	return &token, text, nil
}
