package repo

import (
	"crypto/ed25519"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/secure-systems-lab/go-securesystemslib/cjson"
	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/limpet-monitoring/limpet/signing"
)

// Ring brings, of the keys that may sign a role, those that are at hand. One that is
// not at hand is no error.
type Ring interface {
	Signers(role string, ids []string) ([]signing.Signer, error)
}

// Keys brings the one key that signs a role: "root", "targets", "snapshot",
// "timestamp", or a delegated role such as "stable-linux-amd64". It is the ring of
// repositories where each role has one key, which is at hand.
type Keys func(role string) (signing.Key, error)

// Signers brings the role's key, also when it is not one of ids: a repository that
// somebody else's keys made is then refused by name of the role.
func (k Keys) Signers(role string, _ []string) ([]signing.Signer, error) {
	key, err := k(role)
	return []signing.Signer{key}, err
}

// Make is the key of a role that is new.
func (k Keys) Make(role string) (signing.Key, error) { return k(role) }

// Maker is a Ring that has a key for every new role: nobody else has to be asked who
// is to sign it.
type Maker interface {
	Make(role string) (signing.Key, error)
}

// Grant is who may sign a role: any Threshold of the keys.
type Grant struct {
	Keys        []ed25519.PublicKey
	Threshold   int
	Development bool // one of the keys is for development only
}

// voters is a Grant in the words of metadata, by key id.
type voters struct {
	keys      map[string]ed25519.PublicKey
	threshold int
}

// count is how many of the signatures count.
func (v voters) count(payload []byte, signatures map[string][]byte) int {
	n := 0
	for id, key := range v.keys {
		if sig := signatures[id]; sig != nil && ed25519.Verify(key, payload, sig) {
			n++
		}
	}
	return n
}

// Lack is a role that too few have signed.
type Lack struct {
	Role       string
	Have, Need int
	Keys       []string // ids of those who could still sign
}

func (l Lack) String() string {
	return fmt.Sprintf("%s has %d of %d signatures", l.Role, l.Have, l.Need)
}

// Unsigned is the error of a commit that lacks signatures.
type Unsigned struct{ Lacks []Lack }

func (u *Unsigned) Error() string {
	var all []string
	for _, l := range u.Lacks {
		all = append(all, l.String())
	}
	return strings.Join(all, ", ") + " (are these the keys of this repository?)"
}

// paper is one piece of metadata on its way through the hands of those who sign it.
type paper struct {
	role       string
	version    int64
	payload    []byte // what is signed
	may        []voters
	signatures map[string][]byte // by key id
	encode     func([]metadata.Signature) ([]byte, error)
}

// newPaper keeps the signatures that meta has and that count.
func newPaper[T metadata.Roles](role string, version int64, meta *metadata.Metadata[T], may ...voters) (*paper, error) {
	payload, err := cjson.EncodeCanonical(meta.Signed)
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", role, err)
	}
	p := &paper{role: role, version: version, payload: payload, may: may, signatures: map[string][]byte{}}
	for _, s := range meta.Signatures {
		p.add(s.KeyID, s.Signature)
	}
	p.encode = func(all []metadata.Signature) ([]byte, error) {
		meta.Signatures = all
		data, err := meta.ToBytes(false)
		return append(data, '\n'), err
	}
	return p, nil
}

// add takes a signature by one of those who may sign, and reports whether it did.
func (p *paper) add(id string, sig []byte) bool {
	for _, v := range p.may {
		if key, ok := v.keys[id]; ok && ed25519.Verify(key, p.payload, sig) {
			p.signatures[id] = sig
			return true
		}
	}
	return false
}

// lack says what is missing still; root may need two sets of signers.
func (p *paper) lack() (Lack, bool) {
	for _, v := range p.may {
		if have := v.count(p.payload, p.signatures); have < v.threshold {
			l := Lack{Role: p.role, Have: have, Need: v.threshold}
			for _, id := range slices.Sorted(maps.Keys(v.keys)) {
				if p.signatures[id] == nil {
					l.Keys = append(l.Keys, id)
				}
			}
			return l, true
		}
	}
	return Lack{}, false
}

// sign asks the keys at hand, as long as one of them helps.
func (p *paper) sign(ring Ring) error {
	if ring == nil {
		return nil
	}
	for _, v := range p.may {
		signers, err := ring.Signers(p.role, slices.Sorted(maps.Keys(v.keys)))
		if err != nil {
			return fmt.Errorf("sign %s: %w", p.role, err)
		}
		for _, s := range signers {
			if v.count(p.payload, p.signatures) >= v.threshold {
				break
			}
			id := signing.KeyID(s.Public())
			if p.signatures[id] != nil || v.keys[id] == nil {
				continue
			}
			sig, err := s.Sign(p.payload)
			if err != nil {
				return fmt.Errorf("sign %s: %w", p.role, err)
			}
			p.add(id, sig)
		}
	}
	return nil
}

// file is the metadata with the signatures it has.
func (p *paper) file() ([]byte, error) {
	all := []metadata.Signature{}
	for _, id := range slices.Sorted(maps.Keys(p.signatures)) {
		all = append(all, metadata.Signature{KeyID: id, Signature: p.signatures[id]})
	}
	data, err := p.encode(all)
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", p.role, err)
	}
	return data, nil
}

// complete signs with the keys at hand, which have to be enough.
func (p *paper) complete(ring Ring) ([]byte, error) {
	if err := p.sign(ring); err != nil {
		return nil, err
	}
	if l, missing := p.lack(); missing {
		return nil, &Unsigned{[]Lack{l}}
	}
	return p.file()
}

func (p *paper) name() string { return strconv.FormatInt(p.version, 10) + "." + p.role + ".json" }

// papers are the stale roles that people sign, root first, signed by the keys at
// hand. Version and expiry of those that came with a request are those of the request.
func (r *Repo) papers(now time.Time) ([]*paper, error) {
	var out []*paper
	if r.stale[metadata.ROOT] {
		may := []voters{r.grantOf(metadata.ROOT)}
		if !r.fixed[metadata.ROOT] {
			if r.rootBytes != nil {
				r.root.Signed.Version++
			}
			r.root.Signed.Expires = now.Add(rootLife)
			r.root.ClearSignatures()
		}
		if r.rootBefore != nil {
			may = append(may, *r.rootBefore)
		}
		p, err := newPaper(metadata.ROOT, r.root.Signed.Version, r.root, may...)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	for _, role := range slices.Sorted(maps.Keys(r.targets)) {
		if !r.stale[role] {
			continue
		}
		t := r.targets[role]
		if !r.fixed[role] {
			t.Signed.Expires = now.Add(targetsLife)
			t.Signed.Version = r.nextVersion(role)
			t.ClearSignatures()
		}
		p, err := newPaper(role, t.Signed.Version, t, r.grantOf(role))
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	for _, p := range out {
		if err := p.sign(r.ring); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// nextVersion is the version that a targets role is published under next.
func (r *Repo) nextVersion(role string) int64 {
	if m, ok := r.snapshot.Signed.Meta[role+".json"]; ok && r.set != nil {
		return m.Version + 1
	}
	return 1
}

// signAll completes the papers, signs what lists them, and returns the files.
func (r *Repo) signAll(papers []*paper, now time.Time) (map[string][]byte, error) {
	if r.ring == nil {
		return nil, fmt.Errorf("the repository was opened for reading only")
	}
	if lacks := lacking(papers); lacks != nil {
		return nil, &Unsigned{lacks}
	}
	out := map[string][]byte{}
	for _, p := range papers {
		data, err := p.file()
		if err != nil {
			return nil, err
		}
		if p.role == metadata.ROOT {
			r.rootBytes = data
		} else {
			r.snapshot.Signed.Meta[p.role+".json"] = listed(data, p.version)
		}
		out[p.name()] = data
	}
	return out, r.signOnline(now, out)
}

func lacking(papers []*paper) []Lack {
	var out []Lack
	for _, p := range papers {
		if l, missing := p.lack(); missing {
			out = append(out, l)
		}
	}
	return out
}

// grantOf is who may sign a role today.
func (r *Repo) grantOf(role string) voters {
	if top, ok := r.root.Signed.Roles[role]; ok {
		return votersOf(top.KeyIDs, r.root.Signed.Keys, top.Threshold)
	}
	if d := r.delegation(role); d != nil {
		return votersOf(d.KeyIDs, r.targets[metadata.TARGETS].Signed.Delegations.Keys, d.Threshold)
	}
	return voters{threshold: 1}
}

func votersOf(ids []string, keys map[string]*metadata.Key, threshold int) voters {
	v := voters{map[string]ed25519.PublicKey{}, threshold}
	for _, id := range ids {
		if k := keys[id]; k != nil {
			if public, err := k.ToPublicKey(); err == nil {
				if key, ok := public.(ed25519.PublicKey); ok && len(key) == ed25519.PublicKeySize {
					v.keys[id] = key
				}
			}
		}
	}
	return v
}

// delegation is how targets delegates a role, nil when it does not.
func (r *Repo) delegation(role string) *metadata.DelegatedRole {
	top := r.targets[metadata.TARGETS]
	if top == nil || top.Signed.Delegations == nil {
		return nil
	}
	for i := range top.Signed.Delegations.Roles {
		if top.Signed.Delegations.Roles[i].Name == role {
			return &top.Signed.Delegations.Roles[i]
		}
	}
	return nil
}

// payloadOf is what is signed in a file of metadata.
func payloadOf(role string, data []byte) ([]byte, error) {
	if role == metadata.ROOT {
		meta, err := metadata.Root().FromBytes(data)
		if err != nil {
			return nil, err
		}
		return cjson.EncodeCanonical(meta.Signed)
	}
	meta, err := metadata.Targets().FromBytes(data)
	if err != nil {
		return nil, err
	}
	return cjson.EncodeCanonical(meta.Signed)
}
