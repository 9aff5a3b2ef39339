package tuf

import (
	"crypto/sha256"
	"crypto/sha512"
	"strconv"
	"strings"
	"time"
)

// The four roles every repository has. No delegated role may take their names.
const (
	roleRoot      = "root"
	roleTimestamp = "timestamp"
	roleSnapshot  = "snapshot"
	roleTargets   = "targets"
)

// Bounds of what one piece of metadata holds.
const (
	maxKeys       = 64 // a role's keys, and the signatures below one file
	maxRoles      = 512
	maxNameLength = 512
	maxTarget     = int64(1) << 40 // bytes of one target
)

// header is what the signed part of every role begins with.
type header struct {
	version int64
	expires time.Time
	issued  time.Time // zero when it does not say
}

// signature is one line below a document.
type signature struct {
	keyID string
	bytes []byte
}

// document is a file of metadata: read, not yet verified.
type document struct {
	header
	body       value
	signatures []signature
}

// signers is who may sign a role.
type signers struct {
	keys      map[string]publicKey // by key id
	threshold int
}

// readDocument reads what all roles have in common. kind is "targets" for
// delegated roles.
func readDocument(data []byte, role, kind string) (document, error) {
	v, err := parse(data)
	if err != nil {
		return document{}, refuse(Malformed, role, err.Error())
	}
	var d decoder
	doc := document{body: d.need(v, "signed", object)}
	for _, item := range d.need(v, "signatures", array).items {
		doc.signatures = append(doc.signatures, d.signature(item))
	}
	if len(doc.signatures) > maxKeys {
		d.fail("too many signatures")
	}
	if d.err == nil {
		if t := d.text(doc.body, "_type"); d.err == nil && t != kind {
			return document{}, refuse(WrongRole, role, "it says it is "+strconv.Quote(t))
		}
	}
	if spec := d.text(doc.body, "spec_version"); !strings.HasPrefix(spec, "1.") {
		d.fail("spec_version " + strconv.Quote(spec) + " is not 1.x")
	}
	doc.version = d.int(doc.body, "version", 1, 1<<62)
	doc.expires = d.time(doc.body, "expires")
	if _, ok := doc.body.member("issued"); ok {
		doc.issued = d.time(doc.body, "issued")
		if doc.issued.After(doc.expires) {
			d.fail("issued after it expires")
		}
	}
	d.distinct(doc.signatures)
	if d.err != nil {
		return document{}, refuse(Malformed, role, d.err.Error())
	}
	return doc, nil
}

func (d *decoder) signature(v value) signature {
	sig, ok := unhex(d.text(v, "sig"))
	if !ok {
		d.fail(`"sig" is not hex`)
	}
	return signature{d.text(v, "keyid"), sig}
}

// distinct refuses two signatures under one key id.
func (d *decoder) distinct(list []signature) {
	seen := map[string]bool{}
	for _, s := range list {
		if seen[s.keyID] {
			d.fail("two signatures by one key")
		}
		seen[s.keyID] = true
	}
}

// verify reports whether a threshold of distinct public keys (not key ids, of
// which one key may have several) signed doc.
func (s signers) verify(doc document, role string) error {
	message := appendCanonical(nil, doc.body)
	valid := map[publicKey]bool{}
	for _, sig := range doc.signatures {
		if key, ok := s.keys[sig.keyID]; ok && key.signed(message, sig.bytes) {
			valid[key] = true
		}
	}
	if s.threshold < 1 || len(valid) < s.threshold {
		return refuse(Unsigned, role, strconv.Itoa(len(valid))+" of "+strconv.Itoa(s.threshold)+" signatures")
	}
	return nil
}

// sameKeys reports whether both name the same public keys.
func (s signers) sameKeys(other signers) bool {
	return s.within(other) && other.within(s)
}

func (s signers) within(other signers) bool {
	set := map[publicKey]bool{}
	for _, key := range other.keys {
		set[key] = true
	}
	for _, key := range s.keys {
		if !set[key] {
			return false
		}
	}
	return true
}

// keyring reads a "keys" object: key id to public key.
func (d *decoder) keyring(v value) map[string]publicKey {
	all := d.need(v, "keys", object)
	if len(all.names) > maxKeys*4 {
		d.fail("too many keys")
		return nil
	}
	ring := make(map[string]publicKey, len(all.names))
	for i, id := range all.names {
		ring[id] = d.publicKey(all.items[i])
	}
	return ring
}

// signers reads "keyids" and "threshold" of a role.
func (d *decoder) signers(v value, ring map[string]publicKey) signers {
	ids := d.texts(v, "keyids", maxKeys)
	s := signers{keys: make(map[string]publicKey, len(ids))}
	for _, id := range ids {
		key, ok := ring[id]
		if _, twice := s.keys[id]; twice || !ok {
			d.fail("key id " + strconv.Quote(id) + " is unknown or there twice")
		}
		s.keys[id] = key
	}
	s.threshold = int(d.int(v, "threshold", 1, maxKeys)) // above the number of keys: nobody speaks for the role
	return s
}

// rootDoc is a root.
type rootDoc struct {
	document
	signers     map[string]signers
	consistent  bool // file names carry versions and hashes
	development bool
}

func readRoot(data []byte) (*rootDoc, error) {
	doc, err := readDocument(data, roleRoot, roleRoot)
	if err != nil {
		return nil, err
	}
	var d decoder
	root := &rootDoc{
		document:    doc,
		signers:     map[string]signers{},
		consistent:  d.need(doc.body, "consistent_snapshot", boolean).text == "true",
		development: d.flag(doc.body, "x-limpet-development"),
	}
	ring := d.keyring(doc.body)
	roles := d.need(doc.body, "roles", object)
	for _, name := range [...]string{roleRoot, roleTimestamp, roleSnapshot, roleTargets} {
		root.signers[name] = d.signers(d.need(roles, name, object), ring)
	}
	if len(roles.names) != len(root.signers) {
		d.fail("roles other than the four")
	}
	if d.err != nil {
		return nil, refuse(Malformed, roleRoot, d.err.Error())
	}
	return root, nil
}

// pin is what a parent says about a child: version always, length and hashes
// where it says so.
type pin struct {
	version int64
	length  int64 // 0: not said
	sha256  []byte
	sha512  []byte
}

// hashes reads a "hashes" object. An algorithm unknown here fails it, even beside
// a known one: half a check is none.
func (d *decoder) hashes(v value, p *pin) {
	all := d.need(v, "hashes", object)
	for _, name := range all.names {
		switch name {
		case "sha256":
			p.sha256 = d.bytes(all, name, sha256.Size)
		case "sha512":
			p.sha512 = d.bytes(all, name, sha512.Size)
		default:
			d.fail("unknown hash algorithm " + strconv.Quote(name))
		}
	}
	if len(all.names) == 0 {
		d.fail("no hashes")
	}
}

// check holds data against the pin's length and hashes.
func (p pin) check(data []byte, role string) error {
	if p.length > 0 && int64(len(data)) > p.length {
		return refuse(Endless, role, strconv.Itoa(len(data))+" bytes where "+strconv.FormatInt(p.length, 10)+" were signed")
	}
	if p.length > 0 && int64(len(data)) != p.length {
		return refuse(Mixed, role, "length is not what was signed")
	}
	if sum := sha256.Sum256(data); p.sha256 != nil && string(sum[:]) != string(p.sha256) {
		return refuse(Mixed, role, "SHA-256 is not what was signed")
	}
	if sum := sha512.Sum512(data); p.sha512 != nil && string(sum[:]) != string(p.sha512) {
		return refuse(Mixed, role, "SHA-512 is not what was signed")
	}
	return nil
}

// listDoc is a timestamp or a snapshot: versions of other files.
type listDoc struct {
	document
	meta map[string]pin // by role
}

func readList(data []byte, role string) (*listDoc, error) {
	doc, err := readDocument(data, role, role)
	if err != nil {
		return nil, err
	}
	var d decoder
	list := &listDoc{document: doc, meta: map[string]pin{}}
	meta := d.need(doc.body, "meta", object)
	for i, name := range meta.names {
		base, ok := strings.CutSuffix(name, ".json")
		if !ok {
			d.fail("meta file " + strconv.Quote(name) + " is not .json")
		}
		p := pin{version: d.int(meta.items[i], "version", 1, 1<<62)}
		if _, ok := meta.items[i].member("length"); ok {
			p.length = d.int(meta.items[i], "length", 1, MaxTargets)
		}
		if _, ok := meta.items[i].member("hashes"); ok {
			d.hashes(meta.items[i], &p)
		}
		list.meta[base] = p
	}
	if d.err != nil {
		return nil, refuse(Malformed, role, d.err.Error())
	}
	child := roleSnapshot
	if role == roleSnapshot {
		child = roleTargets
	}
	if _, ok := list.meta[child]; !ok {
		return nil, refuse(Malformed, role, "says nothing of "+child+".json")
	}
	if role == roleTimestamp && len(list.meta) > 1 { // 4.6
		return nil, refuse(Malformed, role, "lists more than the snapshot")
	}
	return list, nil
}
