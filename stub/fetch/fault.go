package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"io/fs"
	"net"

	"github.com/limpet-monitoring/limpet/signing/trust"
	"github.com/limpet-monitoring/limpet/signing/tuf"
	"github.com/limpet-monitoring/limpet/updater/dial"
	"github.com/limpet-monitoring/limpet/updater/fetch"
)

// Exit codes, as in docs/stub-contract.md.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitNoCore      = 4
	exitSecond      = 5
	exitUntrusted   = 6
	exitUnreachable = 7
	exitTime        = 8
)

// fault is an error with what to do about it.
type fault struct {
	code int
	err  error
	hint string
}

func (f *fault) Error() string { return f.err.Error() }
func (f *fault) Unwrap() error { return f.err }

func misuse(text string) error {
	return &fault{exitUsage, errors.New(text), "`limpet-fetch help` shows how it is called"}
}

// explain tells a person what went wrong, and returns the exit code.
func explain(w io.Writer, err error) int {
	f := (*fault)(nil)
	if !errors.As(err, &f) {
		f = classify(err)
	}
	io.WriteString(w, "error: "+err.Error()+"\n")
	if f.hint != "" {
		io.WriteString(w, "hint: "+f.hint+"\n")
	}
	return f.code
}

// classify is the one place where a cause becomes an exit code and advice.
func classify(err error) *fault {
	signed, status := (*tuf.Error)(nil), (*fetch.StatusError)(nil)
	network, cert := net.Error(nil), (*tls.CertificateVerificationError)(nil)
	disk := (*fs.PathError)(nil) // its cause looks like a net.Error, too
	switch {
	case errors.As(err, &disk) && errors.Is(err, fs.ErrPermission):
		return &fault{exitFailed, err, "run it as the user that owns this folder, most often root, or use --root DIR"}
	case errors.As(err, &disk) && !errors.Is(err, fs.ErrNotExist):
		return &fault{exitFailed, err, ""}
	case errors.Is(err, context.Canceled):
		return &fault{exitFailed, err, ""}
	case errors.Is(err, trust.ErrNotToken), errors.Is(err, trust.ErrTruncated), errors.Is(err, trust.ErrMistyped), errors.Is(err, trust.ErrNewer):
		return &fault{exitUntrusted, err, "copy the token again, whole, as `limpet-hub token create` printed it"}
	case errors.As(err, &signed):
		return ofMetadata(signed, err)
	case errors.Is(err, fetch.ErrWrongHash), errors.Is(err, fetch.ErrTooLarge):
		return &fault{exitUntrusted, err, "the mirror serves something else than what was signed; try another with --mirror, and tell who runs it"}
	case errors.As(err, &cert), badCertificate(err):
		return &fault{exitUntrusted, err, "what answers there cannot prove that it is the one; check the address, and whether a proxy breaks up TLS"}
	case errors.As(err, &status), errors.As(err, &network), errors.Is(err, dial.ErrProxy), errors.Is(err, fetch.ErrStalled), errors.Is(err, io.ErrUnexpectedEOF):
		return &fault{exitUnreachable, err, "check address, firewall and proxy; `limpet-fetch probe URL` shows how far it gets"}
	}
	return &fault{exitFailed, err, ""}
}

func badCertificate(err error) bool {
	var (
		host    x509.HostnameError
		unknown x509.UnknownAuthorityError
		invalid x509.CertificateInvalidError
	)
	return errors.As(err, &host) || errors.As(err, &unknown) || errors.As(err, &invalid)
}

func ofMetadata(e *tuf.Error, err error) *fault {
	switch e.Kind {
	case tuf.Expired:
		return &fault{exitTime, err, "clock or freeze: compare this machine's clock first; if it is right, the mirror has had nothing new for too long"}
	case tuf.Unreadable:
		if below := classify(e.Err); e.Err != nil && below.code != exitFailed {
			return below
		}
		return &fault{exitUnreachable, err, "check address, firewall and proxy; `limpet-fetch probe URL` shows how far it gets"}
	case tuf.Missing:
		return &fault{exitUnreachable, err, "there are no releases at this mirror; check --mirror, or the hub's --release"}
	}
	return &fault{exitUntrusted, err, "the mirror serves something that the publisher did not sign like this; try another with --mirror, and tell who runs it"}
}
