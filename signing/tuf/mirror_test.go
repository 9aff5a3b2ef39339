package tuf_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/secure-systems-lab/go-securesystemslib/cjson"

	"github.com/limpet-monitoring/limpet/signing/tuf"
)

// noon is the time of every test; metadata made by mirror is good around it.
var noon = time.Date(2030, 5, 1, 12, 0, 0, 0, time.UTC)

const (
	stable = "stable-linux-amd64"
	folder = "core/stable/linux-amd64/"
	core1  = folder + "1.0.0/limpet-core"
)

type obj = map[string]any

// mirror is a repository in which everything can be forged: documents are plain
// maps, signed with whatever keys a test likes.
type mirror struct {
	t       testing.TB
	docs    map[string]obj      // signed parts, by role
	signers map[string][]string // labels of the keys that sign them; "one<-two": two signs, under the id of one
	files   map[string][]byte   // what the mirror hands out
	asked   []string
}

// made keeps keys by label and signatures by label and message: under the race
// detector each costs milliseconds, and most tests ask for the same ones.
var made sync.Map

// key is the same for a label in every test. What is behind an @ makes it another key
// id of the same key.
func key(label string) ed25519.PrivateKey {
	label, _, _ = strings.Cut(label, "@")
	if k, ok := made.Load(label); ok {
		return k.(ed25519.PrivateKey)
	}
	seed := sha256.Sum256([]byte(label))
	k := ed25519.NewKeyFromSeed(seed[:])
	made.Store(label, k)
	return k
}

// signature is label's, over message, in hex.
func signature(label string, message []byte) string {
	id := [2]string{label, string(message)}
	if s, ok := made.Load(id); ok {
		return s.(string)
	}
	s := hex.EncodeToString(ed25519.Sign(key(label), message))
	made.Store(id, s)
	return s
}

func public(label string) string {
	return hex.EncodeToString(key(label).Public().(ed25519.PublicKey))
}

// keyID is the label itself, but for padding: ids are not what counts.
func keyID(label string) string {
	sum := sha256.Sum256([]byte("id of " + label))
	return hex.EncodeToString(sum[:])
}

func tufKey(label string) obj {
	return obj{"keytype": "ed25519", "scheme": "ed25519", "keyval": obj{"public": public(label)}}
}

func keys(labels ...string) obj {
	out := obj{}
	for _, label := range labels {
		out[keyID(label)] = tufKey(label)
	}
	return out
}

func role(threshold int, labels ...string) obj {
	ids := []any{}
	for _, label := range labels {
		ids = append(ids, keyID(label))
	}
	return obj{"keyids": ids, "threshold": threshold}
}

func signed(kind string, life time.Duration, more obj) obj {
	doc := obj{"_type": kind, "spec_version": "1.0.31", "version": 1, "expires": noon.Add(life).Format(time.RFC3339)}
	maps.Copy(doc, more)
	return doc
}

func fileOf(content string, custom any) obj {
	sum := sha256.Sum256([]byte(content))
	out := obj{"length": len(content), "hashes": obj{"sha256": hex.EncodeToString(sum[:])}}
	if custom != nil {
		out["custom"] = custom
	}
	return out
}

func customOf(version string, counter int) obj {
	return obj{"version": version, "counter": counter, "floor": 1, "soak": 300, "contract": 1}
}

func delegationTo(name string, labels []string, paths ...any) obj {
	d := role(1, labels...)
	d["name"], d["terminating"], d["paths"] = name, true, paths
	return d
}

const day = 24 * time.Hour

// newMirror is a sound repository with one core, sealed.
func newMirror(t testing.TB) *mirror {
	m := &mirror{t: t, docs: map[string]obj{}, signers: map[string][]string{}, files: map[string][]byte{}}
	m.docs["root"] = signed("root", 365*day, obj{
		"consistent_snapshot": true,
		"keys":                keys("root1", "root2", "root3", "targets", "snapshot", "timestamp"),
		"roles": obj{"root": role(2, "root1", "root2", "root3"), "targets": role(1, "targets"),
			"snapshot": role(1, "snapshot"), "timestamp": role(1, "timestamp")},
	})
	m.docs["targets"] = signed("targets", 90*day, obj{
		"targets":     obj{},
		"delegations": obj{"keys": keys("stable"), "roles": []any{delegationTo(stable, []string{"stable"}, folder+"*/limpet-core")}},
	})
	m.docs[stable] = signed("targets", 90*day, obj{"targets": obj{core1: fileOf("core 1", customOf("1.0.0", 1))}})
	m.docs["snapshot"] = signed("snapshot", 14*day, obj{"meta": obj{}})
	m.docs["timestamp"] = signed("timestamp", 7*day, obj{"meta": obj{}, "issued": noon.Add(-time.Hour).Format(time.RFC3339)})
	m.signers = map[string][]string{"root": {"root1", "root2"}, "targets": {"targets"}, stable: {"stable"},
		"snapshot": {"snapshot"}, "timestamp": {"timestamp"}}
	m.seal()
	return m
}

// sign gives the file of a role as its document is now.
func (m *mirror) sign(role string) []byte {
	m.t.Helper()
	message, err := cjson.EncodeCanonical(m.docs[role])
	if err != nil {
		m.t.Fatal(err)
	}
	list := []any{}
	for _, label := range m.signers[role] {
		id, by, forged := strings.Cut(label, "<-")
		if !forged {
			by = id
		}
		list = append(list, obj{"keyid": keyID(id), "sig": signature(by, message)})
	}
	return encode(m.t, obj{"signed": m.docs[role], "signatures": list})
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func (m *mirror) version(role string) int { return m.docs[role]["version"].(int) }

func pinOf(data []byte, version int) obj {
	sum := sha256.Sum256(data)
	return obj{"version": version, "length": len(data), "hashes": obj{"sha256": hex.EncodeToString(sum[:])}}
}

// seal signs every document and lists it in its parent, from the leaves up.
func (m *mirror) seal() {
	m.t.Helper()
	m.files[fmt.Sprintf("%d.root.json", m.version("root"))] = m.sign("root")
	for _, role := range slices.Sorted(maps.Keys(m.docs)) {
		if role == "root" || role == "snapshot" || role == "timestamp" {
			continue
		}
		m.list("snapshot", role)
	}
	m.list("timestamp", "snapshot")
	m.files["timestamp.json"] = m.sign("timestamp")
}

// list signs a child, stores its file and pins it in its parent.
func (m *mirror) list(parent, child string) {
	data := m.sign(child)
	m.files[fmt.Sprintf("%d.%s.json", m.version(child), child)] = data
	m.docs[parent]["meta"].(obj)[child+".json"] = pinOf(data, m.version(child))
}

// bump raises versions as an honest publisher does who changed the roles given.
func (m *mirror) bump(roles ...string) {
	for _, role := range append(roles, "snapshot", "timestamp") {
		m.docs[role]["version"] = m.version(role) + 1
	}
}

// number gives roles a version, whichever they had.
func (m *mirror) number(version int, roles ...string) {
	for _, role := range roles {
		m.docs[role]["version"] = version
	}
}

// forge puts a document signed as it is now where a client looks for it, without
// telling its parent.
func (m *mirror) forge(role string) {
	name := fmt.Sprintf("%d.%s.json", m.version(role), role)
	if role == "timestamp" {
		name = "timestamp.json"
	}
	m.files[name] = m.sign(role)
}

// source hands out the mirror's files.
func (m *mirror) source(name string, limit int64) ([]byte, error) {
	m.asked = append(m.asked, name)
	data, ok := m.files[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	if int64(len(data)) > limit { // as HTTP does: read to the limit and one more
		data = data[:limit+1]
	}
	return data, nil
}

// fresh is the store of somebody who was just given the first root.
func (m *mirror) fresh() tuf.Stored { return tuf.Stored{"root.json": m.files["1.root.json"]} }

// refreshed is the store of somebody who saw the mirror as it is now.
func (m *mirror) refreshed() tuf.Stored {
	m.t.Helper()
	_, stored, err := tuf.Refresh(m.fresh(), m.source, noon, folder)
	if err != nil {
		m.t.Fatalf("a sound mirror: %v", err)
	}
	return stored
}

// kindOf is what an error was refused for, and where.
func kindOf(t testing.TB, err error) (tuf.Kind, string) {
	t.Helper()
	var e *tuf.Error
	if err == nil {
		return 0, ""
	}
	if !errors.As(err, &e) {
		t.Fatalf("error of type %T: %v", err, err)
	}
	return e.Kind, e.Role
}

// at digs a member out of nested objects.
func at(v obj, path ...string) obj {
	for _, name := range path {
		v = v[name].(obj)
	}
	return v
}
