// Package fetch brings files from a mirror: an HTTP server or a folder with the same plain files.
//
// What it brings is bytes, not truth: metadata is believed only once signing/tuf has verified it, and
// a large file only once it hashes to what was signed, which Large checks. It bounds everything in
// size and time, goes on where a download was cut off, and holds no more than one buffer in memory.
// How a connection comes about is updater/dial's; the caller brings a transport.
package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
)

// Bounds in time. A mirror that sends something, however little, is not silent: minRate is for that.
const (
	smallTime  = 60 * time.Second // a small file, all of it
	stallTime  = 30 * time.Second // of silence in a large one
	rateWindow = 5 * time.Minute
	minRate    = 512 // bytes a second over rateWindow: slower is a mirror that wastes our time
	maxHops    = 5   // redirects
)

// Causes that a caller may branch on. A file that a mirror does not have is fs.ErrNotExist.
var (
	ErrTooLarge  = errors.New("longer than it may be")
	ErrWrongHash = errors.New("not the bytes that were signed")
	ErrStalled   = errors.New("the mirror stopped sending")
)

// StatusError is an answer of a server that is neither the file nor "not found".
type StatusError struct{ Code int }

func (e *StatusError) Error() string {
	return "the server answers " + strconv.Itoa(e.Code) + " " + http.StatusText(e.Code)
}

// Mirror is one place that files come from. Its methods may be called by several goroutines.
type Mirror struct {
	base   *url.URL // nil for a folder
	dir    string
	client *http.Client
	disk   fsys.FS // where Large keeps its parts
}

// Onto is the mirror with the parts of Large on another disk than the system's own.
func (m *Mirror) Onto(disk fsys.FS) *Mirror {
	other := *m
	other.disk = disk
	return &other
}

// New names a mirror: an https:// or http:// URL, or a folder. Everything a mirror holds is verified
// by its hash or signature, so http:// is only as bad as being slow or silent.
func New(place string, transport http.RoundTripper) (*Mirror, error) {
	if place == "" {
		return nil, errors.New("mirror: no address")
	}
	if !strings.Contains(place, "://") {
		return &Mirror{dir: place, disk: fsys.Disk{}}, nil
	}
	base, err := url.Parse(place)
	if err != nil || base.Host == "" || (base.Scheme != "https" && base.Scheme != "http") {
		return nil, fmt.Errorf("mirror %s: neither an http(s) address nor a folder", place)
	}
	base.RawQuery, base.Fragment = "", ""
	client := &http.Client{Transport: transport, CheckRedirect: func(_ *http.Request, via []*http.Request) error {
		if len(via) > maxHops {
			return fmt.Errorf("more than %d redirects", maxHops)
		}
		return nil
	}}
	return &Mirror{base: base, client: client, disk: fsys.Disk{}}, nil
}

// String is the mirror for people, without a password.
func (m *Mirror) String() string {
	if m.base == nil {
		return m.dir
	}
	return m.base.Redacted()
}

// Small returns a whole file of at most max bytes; a longer one is ErrTooLarge.
func (m *Mirror) Small(ctx context.Context, name string, max int64) ([]byte, error) {
	data, err := m.small(ctx, name, max)
	if err != nil {
		return nil, fmt.Errorf("fetch %s from %s: %w", name, m, err)
	}
	return data, nil
}

func (m *Mirror) small(ctx context.Context, name string, max int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, smallTime)
	defer cancel()
	body, _, err := m.open(ctx, name, 0)
	if status := (*StatusError)(nil); errors.As(err, &status) && status.Code == http.StatusForbidden && mayLack(name) {
		return nil, fs.ErrNotExist
	}
	if err != nil {
		return nil, err
	}
	defer body.Close()
	data, err := io.ReadAll(io.LimitReader(body, max+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > max {
		return nil, ErrTooLarge
	}
	return data, nil
}

// mayLack reports whether a sound mirror may not have a file: the root after the newest, what it holds back. A store that lets strangers read
// but not list (S3 is one) answers 403 for these.
func mayLack(name string) bool { return name == "hold" || strings.HasSuffix(name, ".root.json") }

// open begins to read a file at an offset; from says at which it really begins, which is 0 where a
// server does not do ranges.
func (m *Mirror) open(ctx context.Context, name string, offset int64) (body io.ReadCloser, from int64, err error) {
	if !fs.ValidPath(name) {
		return nil, 0, fmt.Errorf("%q is not a name in a mirror", name)
	}
	if m.base == nil {
		return m.openFile(name, offset)
	}
	return m.request(ctx, name, offset)
}

func (m *Mirror) openFile(name string, offset int64) (io.ReadCloser, int64, error) {
	f, err := os.Open(filepath.Join(m.dir, filepath.FromSlash(name)))
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err == nil {
		_, err = f.Seek(offset, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, offset, nil
}

func (m *Mirror) request(ctx context.Context, name string, offset int64) (io.ReadCloser, int64, error) {
	address := *m.base
	address.Path = path.Join("/", address.Path, name)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		return nil, 0, err
	}
	req.Header.Set("Accept-Encoding", "identity")
	if offset > 0 {
		req.Header.Set("Range", "bytes="+strconv.FormatInt(offset, 10)+"-")
	}
	resp, err := m.client.Do(req)
	if err != nil {
		return nil, 0, plain(err)
	}
	switch {
	case resp.StatusCode == http.StatusOK:
		return resp.Body, 0, nil
	case resp.StatusCode == http.StatusPartialContent && begins(resp.Header.Get("Content-Range")) == offset:
		return resp.Body, offset, nil
	}
	resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusNotFound, http.StatusGone:
		return nil, 0, fs.ErrNotExist
	}
	return nil, 0, &StatusError{resp.StatusCode}
}

// plain takes the method and address off an error: Small and Large say them already.
func plain(err error) error {
	if u := (*url.Error)(nil); errors.As(err, &u) {
		return u.Err
	}
	return err
}

// begins is where a Content-Range says that the body begins, -1 when it says nothing sensible.
func begins(contentRange string) int64 {
	rest, ok := strings.CutPrefix(contentRange, "bytes ")
	first, _, found := strings.Cut(rest, "-")
	n, err := strconv.ParseInt(first, 10, 64)
	if !ok || !found || err != nil || n < 0 {
		return -1
	}
	return n
}
