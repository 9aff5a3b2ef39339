package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing/trust"
)

// firstTrust is whom this box trusts, and how that came about.
type firstTrust struct {
	document trust.Document
	data     []byte
	changed  bool            // it is not what the box trusted so far
	before   *trust.Document // what it trusted so far, nil for a new box
}

// trusted finds the trust document: the stored one, or the one that the token names, which is fetched
// from the hub. It stores nothing.
func trusted(ctx context.Context, p place) (firstTrust, error) {
	stored, err := storedDocument(p.layout)
	if err != nil && (p.token == nil || !errors.Is(err, errDamaged)) {
		return firstTrust{}, err
	}
	if stored != nil && (p.token == nil || sha256.Sum256(stored.data) == p.token.DocumentHash()) {
		return *stored, nil
	}
	if p.token == nil {
		return firstTrust{}, &fault{exitUsage, errors.New("this machine trusts no hub yet, and no token was given"),
			"`limpet-hub token create` makes one; give it with --token-file FILE, or - for stdin"}
	}
	t, err := fetchDocument(ctx, p)
	if err != nil {
		return t, err
	}
	if stored != nil {
		t.before = &stored.document
	}
	return t, nil
}

var errDamaged = errors.New("the stored trust document is damaged")

func storedDocument(l platforms.Layout) (*firstTrust, error) {
	data, err := fsys.Read(fsys.Disk{}, l.TrustDocument(), trust.MaxDocument)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read trust document: %w", err)
	}
	document, err := trust.ParseDocument(data, sha256.Sum256(data))
	if err != nil {
		return nil, &fault{exitUntrusted, fmt.Errorf("%w: %w", errDamaged, err), "bootstrap once more with a token of the hub"}
	}
	return &firstTrust{document: document, data: data}, nil
}

// fetchDocument needs no verified line: what comes over it must hash to what the token says.
func fetchDocument(ctx context.Context, p place) (firstTrust, error) {
	o, err := p.route()
	if err != nil {
		return firstTrust{}, err
	}
	o.Unverified = true
	hub, err := open(p.hub, o)
	if err != nil {
		return firstTrust{}, err
	}
	hash := p.token.DocumentHash()
	data, err := hub.Small(ctx, "trust/"+hex.EncodeToString(hash[:]), trust.MaxDocument)
	if errors.Is(err, fs.ErrNotExist) {
		return firstTrust{}, &fault{exitUntrusted, fmt.Errorf("%s does not know the trust document that this token names", p.hub),
			"the token is another hub's, or this hub was set up anew since: check --hub, or make a new token there"}
	}
	if err != nil {
		return firstTrust{}, err
	}
	document, err := trust.ParseDocument(data, hash)
	if err != nil {
		return firstTrust{}, &fault{exitUntrusted, fmt.Errorf("%s: %w", p.hub, err), "somebody stands between this machine and the hub, or it is another hub: check --hub"}
	}
	return firstTrust{document: document, data: data, changed: true}, nil
}

// samePublisher reports whether the publisher's root stayed what it was.
func (t firstTrust) samePublisher() bool {
	return t.before == nil || bytes.Equal(t.before.CoreRoot, t.document.CoreRoot)
}

// keep stores a changed document and the fleet owner's root. What a succession of the former hub's
// keys led to is not believed under the new one.
func (t firstTrust) keep(l platforms.Layout, out io.Writer) error {
	if !t.changed {
		return nil
	}
	disk := fsys.Disk{}
	if t.before == nil || !bytes.Equal(t.before.SiteRoot, t.document.SiteRoot) {
		names, err := disk.ReadDir(l.TrustSite())
		if err != nil {
			return fmt.Errorf("keep site root: %w", err)
		}
		for _, name := range names {
			if err := os.RemoveAll(filepath.Join(l.TrustSite(), name)); err != nil {
				return fmt.Errorf("keep site root: %w", err)
			}
		}
		if err := fsys.WriteNew(disk, filepath.Join(l.TrustSite(), "root.json"), t.document.SiteRoot, 0o644); err != nil {
			return fmt.Errorf("keep site root: %w", err)
		}
	}
	if err := removeIfThere(filepath.Join(filepath.Dir(l.TrustDocument()), "hub-keys")); err != nil {
		return fmt.Errorf("keep trust document: %w", err)
	}
	if err := fsys.WriteNew(disk, l.TrustDocument(), t.data, 0o644); err != nil {
		return fmt.Errorf("keep trust document: %w", err)
	}
	if t.before != nil {
		fmt.Fprintln(out, "the hub's trust document changed: this box now trusts the one that the token names")
	} else {
		fmt.Fprintln(out, "trust document: as the token says")
	}
	return nil
}
