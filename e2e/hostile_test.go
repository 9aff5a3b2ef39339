//go:build unix

package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/secure-systems-lab/go-securesystemslib/cjson"

	"github.com/limpet-monitoring/limpet/e2e/rig"
	"github.com/limpet-monitoring/limpet/signing"
)

// hostile is a mirror: what it shows is a repository, and what a thief of some of its keys has made of that.
type hostile struct {
	t      *testing.T
	keys   string // folder with every private key of the publisher; each attack says which of them are stolen
	server *httptest.Server

	turn   sync.RWMutex // held while an attack is prepared: a box that asks meanwhile waits, and never meets a state between two
	mu     sync.Mutex   // guards what follows
	dir    string       // the repository that it shows
	files  map[string][]byte
	serves map[string]http.HandlerFunc
}

func newHostile(t *testing.T, keys string) *hostile {
	h := &hostile{t: t, keys: keys}
	h.server = httptest.NewServer(h)
	t.Cleanup(h.server.Close)
	return h
}

// shows has the mirror show a repository as it lies, and forget what was changed.
func (h *hostile) shows(dir string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.dir, h.files, h.serves = dir, map[string][]byte{}, map[string]http.HandlerFunc{}
}

// attack has the mirror show a repository with what is done to it, from one request to the next.
func (h *hostile) attack(dir string, do func(*hostile)) {
	h.turn.Lock()
	defer h.turn.Unlock()
	h.shows(dir)
	do(h)
}

// show changes what lies under a name.
func (h *hostile) show(name string, data []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.files[name] = data
}

// serve changes what answers for a name.
func (h *hostile) serve(name string, by http.HandlerFunc) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.serves[name] = by
}

func (h *hostile) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	h.turn.RLock()
	h.mu.Lock()
	dir, data, changed, serve := h.dir, h.files[name], h.files[name] != nil, h.serves[name]
	h.mu.Unlock()
	h.turn.RUnlock()
	switch {
	case serve != nil:
		serve(w, r)
	case changed:
		_, _ = w.Write(data)
	default:
		http.FileServer(http.Dir(dir)).ServeHTTP(w, r)
	}
}

// file is what the mirror shows under a name.
func (h *hostile) file(name string) []byte {
	h.t.Helper()
	h.mu.Lock()
	data, dir := h.files[name], h.dir
	h.mu.Unlock()
	if data != nil {
		return data
	}
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		h.t.Fatal(err)
	}
	return data
}

type object = map[string]any

// newest is the version of a role's file that the mirror's repository has.
func (h *hostile) newest(role string) int {
	h.t.Helper()
	names, err := filepath.Glob(filepath.Join(h.dir, "*."+role+".json"))
	if err != nil || len(names) == 0 {
		h.t.Fatalf("%s has no %s: %v", h.dir, role, err)
	}
	most := 0
	for _, name := range names {
		number, _, _ := strings.Cut(filepath.Base(name), ".")
		n, _ := strconv.Atoi(number)
		most = max(most, n)
	}
	return most
}

func (h *hostile) fileOf(role string) string {
	if role == "timestamp" {
		return "timestamp.json"
	}
	return fmt.Sprintf("%d.%s.json", h.newest(role), role)
}

// document is the signed part of a role's newest file.
func (h *hostile) document(role string) object {
	h.t.Helper()
	var whole struct{ Signed object }
	d := json.NewDecoder(bytes.NewReader(h.file(h.fileOf(role))))
	d.UseNumber()
	if err := d.Decode(&whole); err != nil {
		h.t.Fatal(err)
	}
	return whole.Signed
}

func number(v any) int {
	n, _ := strconv.Atoi(fmt.Sprint(v))
	return n
}

func within(v any, path ...string) object {
	for _, name := range path {
		v = v.(object)[name]
	}
	return v.(object)
}

// key is a key of the publisher, or the thief's own.
func (h *hostile) key(name string) signing.Key {
	h.t.Helper()
	key, err := signing.Load(filepath.Join(h.keys, name+".key"))
	if err != nil {
		h.t.Fatal(err)
	}
	return key
}

// signature is one entry of a file's signatures.
func (h *hostile) signature(doc object, key string) object {
	h.t.Helper()
	message, err := cjson.EncodeCanonical(doc)
	if err != nil {
		h.t.Fatal(err)
	}
	k := h.key(key)
	sig, err := k.Sign(message)
	if err != nil {
		h.t.Fatal(err)
	}
	return object{"keyid": k.ID(), "sig": hex.EncodeToString(sig)}
}

// put shows a document as its role's file, signed with keys.
func (h *hostile) put(role string, doc object, keys ...string) {
	h.t.Helper()
	list := []any{}
	for _, key := range keys {
		list = append(list, h.signature(doc, key))
	}
	h.write(role, doc, list)
}

func (h *hostile) write(role string, doc object, signatures []any) {
	h.t.Helper()
	data, err := json.Marshal(object{"signed": doc, "signatures": signatures})
	if err != nil {
		h.t.Fatal(err)
	}
	name := "timestamp.json"
	if role != "timestamp" {
		name = fmt.Sprintf("%d.%s.json", number(doc["version"]), role)
	}
	h.show(name, data)
}

// next raises a document's version by one.
func next(doc object) object {
	doc["version"] = number(doc["version"]) + 1
	return doc
}

// relist has a new snapshot and timestamp say what the mirror shows of roles, signed with the stolen online key.
func (h *hostile) relist(docs map[string]object) {
	h.t.Helper()
	snapshot := next(h.document("snapshot"))
	for role, doc := range docs {
		within(snapshot, "meta")[role+".json"] = h.pin(fmt.Sprintf("%d.%s.json", number(doc["version"]), role), doc)
	}
	h.put("snapshot", snapshot, "online")
	timestamp := next(h.document("timestamp"))
	within(timestamp, "meta")["snapshot.json"] = h.pin(fmt.Sprintf("%d.snapshot.json", number(snapshot["version"])), snapshot)
	h.put("timestamp", timestamp, "online")
}

func (h *hostile) pin(name string, doc object) object {
	data := h.file(name)
	sum := sha256.Sum256(data)
	return object{"version": number(doc["version"]), "length": len(data), "hashes": object{"sha256": hex.EncodeToString(sum[:])}}
}

// target is the path below targets/ of a version's core, as a mirror serves it, and its content.
func (h *hostile) target(version string) (name string, content []byte) {
	h.t.Helper()
	dir := "targets/core/stable/" + rig.Platform + "/" + version
	entries, err := fs.ReadDir(os.DirFS(h.dir), dir)
	if err != nil || len(entries) != 1 {
		h.t.Fatalf("core of %s: %v %v", version, entries, err)
	}
	name = dir + "/" + entries[0].Name()
	return name, h.file(name)
}

// endless sends bytes until the other side has enough.
func endless(w http.ResponseWriter, _ *http.Request) {
	block := bytes.Repeat([]byte("{"), 64<<10)
	for {
		if _, err := w.Write(block); err != nil {
			return
		}
	}
}
