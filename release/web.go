package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing/tuf"
)

// Bounds of a repository behind an address. Nothing of it is believed before it was verified.
const (
	webTime  = 10 * time.Minute // for one file
	maxRoots = 1024
	maxRoles = 256
)

// web is a repository that is handed out over HTTP.
type web struct {
	base   string // ends with a slash
	client *http.Client
}

// isWeb says whether a repository's place is an address.
func isWeb(place string) bool {
	return strings.HasPrefix(place, "https://") || strings.HasPrefix(place, "http://")
}

func openWeb(address string) web {
	return web{strings.TrimSuffix(address, "/") + "/", &http.Client{Timeout: webTime}}
}

// read is one file of at most so many bytes. fs.ErrNotExist where there is none.
func (w web) read(ctx context.Context, name string, limit int64) ([]byte, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, w.base+name, nil)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	answer, err := w.client.Do(q)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	defer answer.Body.Close()
	switch code := answer.StatusCode; {
	case code == http.StatusOK:
	case code == http.StatusNotFound, code == http.StatusGone,
		code == http.StatusForbidden && strings.HasSuffix(name, ".root.json"): // of a store that lets nobody list: there is none
		return nil, fmt.Errorf("read %s%s: %w", w.base, name, fs.ErrNotExist)
	default:
		return nil, fmt.Errorf("read %s%s: the server answers %s", w.base, name, answer.Status)
	}
	data, err := io.ReadAll(io.LimitReader(answer.Body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %s%s: %w", w.base, name, err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("read %s%s: longer than it may be", w.base, name)
	}
	return data, nil
}

// metadata brings all metadata into a folder, under the names that a repository has; roots that are in have are taken from there.
func (w web) metadata(ctx context.Context, dir, have string) error {
	bring := func(name string, limit int64) ([]byte, error) {
		data, err := w.read(ctx, name, limit)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), data, 0o644)
		}
		return data, err
	}
	for n := 1; n <= maxRoots; n++ {
		name := strconv.Itoa(n) + ".root.json"
		if old, err := fsys.Read(fsys.Disk{}, filepath.Join(have, name), tuf.MaxRoot); err == nil && have != "" {
			if err := os.WriteFile(filepath.Join(dir, name), old, 0o644); err != nil {
				return err
			}
			continue
		}
		if _, err := bring(name, tuf.MaxRoot); errors.Is(err, fs.ErrNotExist) && n > 1 {
			break
		} else if err != nil {
			return err
		}
	}
	timestamp, err := bring("timestamp.json", tuf.MaxTimestamp)
	if err != nil {
		return err
	}
	names, err := listedIn("timestamp.json", timestamp)
	if err != nil {
		return err
	}
	snapshot, err := bring(names["snapshot"], tuf.MaxSnapshot)
	if err != nil {
		return err
	}
	if names, err = listedIn("the snapshot", snapshot); err != nil {
		return err
	}
	for _, name := range names {
		if _, err := bring(name, tuf.MaxTargets); err != nil {
			return err
		}
	}
	return nil
}

// listedIn are the file names of the roles that a piece of metadata lists.
func listedIn(what string, data []byte) (map[string]string, error) {
	var doc struct {
		Signed struct {
			Meta map[string]struct{ Version int64 }
		}
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	if len(doc.Signed.Meta) > maxRoles {
		return nil, fmt.Errorf("read %s: it lists %d roles", what, len(doc.Signed.Meta))
	}
	names := map[string]string{}
	for file, m := range doc.Signed.Meta {
		role, ok := strings.CutSuffix(file, ".json")
		if !ok || role == "" || strings.ContainsAny(role, `/\`) || role[0] == '.' {
			return nil, fmt.Errorf("read %s: %q is no role's file", what, file)
		}
		names[role] = strconv.FormatInt(m.Version, 10) + "." + file
	}
	return names, nil
}
