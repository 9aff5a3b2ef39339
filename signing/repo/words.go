package repo

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/limpet-monitoring/limpet/signing/tuf"
)

// Sheet is one role of a request, in words for the person who is to sign it. All of
// it is read from the very bytes that are signed, and from what they replace.
type Sheet struct {
	Role    string
	Version int64
	Expires time.Time
	Lack    Lack     // Have and Need are set also where nothing lacks
	Words   []string // what it changes; never empty
}

// Beginning reports whether the request makes a repository that does not exist yet.
func (q *Request) Beginning() bool { return q.base == nil }

// Development reports whether the repository is for development only.
func (q *Request) Development() bool { return q.after.development() }

// Base is the repository's metadata as the request has it, verified; nil for a
// repository's beginning.
func (q *Request) Base() *Repo { return q.base }

// Sheets says what every role of the request is about to say.
func (q *Request) Sheets() []Sheet {
	var out []Sheet
	for _, p := range q.papers {
		s := Sheet{Role: p.role, Version: p.version, Lack: p.tally()}
		switch p.role {
		case metadata.ROOT:
			s.Expires, s.Words = q.after.root.Signed.Expires, q.rootWords()
		case metadata.TARGETS:
			s.Expires, s.Words = q.after.targets[p.role].Signed.Expires, q.targetsWords()
		default:
			s.Expires, s.Words = q.after.targets[p.role].Signed.Expires, q.coreWords(p.role)
		}
		switch {
		case len(s.Words) > 0:
		case p.version == 1:
			s.Words = []string{"it lists nothing yet"}
		default:
			s.Words = []string{"nothing changes but the version and the expiry"}
		}
		out = append(out, s)
	}
	return out
}

// tally is lack, also where nothing lacks.
func (p *paper) tally() Lack {
	if l, missing := p.lack(); missing {
		return l
	}
	l := Lack{Role: p.role}
	for _, v := range p.may {
		l.Need = max(l.Need, v.threshold)
		l.Have = max(l.Have, v.count(p.payload, p.signatures))
	}
	return l
}

func (q *Request) rootWords() []string {
	var out []string
	if q.base == nil && q.after.development() {
		out = append(out, "this is a DEVELOPMENT root, for good")
	}
	for _, role := range []string{metadata.ROOT, metadata.TARGETS, metadata.SNAPSHOT, metadata.TIMESTAMP} {
		out = append(out, grantWords(role, q.before(role), q.after.grantOf(role))...)
	}
	if q.base != nil && q.base.development() != q.after.development() {
		out = append(out, fmt.Sprintf("the mark that it is for development only: %v, was %v", q.after.development(), q.base.development()))
	}
	return out
}

// before is who could sign a role until now.
func (q *Request) before(role string) voters {
	if q.base == nil {
		return voters{}
	}
	return q.base.grantOf(role)
}

func grantWords(role string, was, is voters) []string {
	var out []string
	if was.threshold != is.threshold || len(was.keys) != len(is.keys) || len(was.keys) == 0 {
		line := fmt.Sprintf("%s is signed by any %d of %d keys", role, is.threshold, len(is.keys))
		if len(was.keys) > 0 {
			line += fmt.Sprintf(", until now by any %d of %d", was.threshold, len(was.keys))
		}
		out = append(out, line)
	}
	for _, id := range slices.Sorted(maps.Keys(is.keys)) {
		if was.keys[id] == nil {
			out = append(out, fmt.Sprintf("+ key %s may sign %s", id, role))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(was.keys)) {
		if is.keys[id] == nil {
			out = append(out, fmt.Sprintf("- key %s may not sign %s any more", id, role))
		}
	}
	return out
}

func (q *Request) targetsWords() []string {
	out := q.delegationWords()
	for _, role := range q.after.delegated() {
		if d := q.after.delegation(role); !plainDelegation(role, d) {
			out = append(out, fmt.Sprintf("! %s speaks for %q, which is not its own folder alone", role, d.Paths))
		}
	}
	if q.base != nil {
		for _, role := range q.base.delegated() {
			if q.after.delegation(role) == nil {
				out = append(out, "- "+role+" speaks for nothing any more")
			}
		}
	}
	was, is := q.listed(metadata.TARGETS)
	out = append(append(out, q.allowedWords()...), q.catalogWords()...)
	return append(out, listWords(was, is, func(_, t *metadata.TargetFiles) string {
		return fmt.Sprintf("%d bytes, SHA-256 %x", t.Length, []byte(t.Hashes["sha256"]))
	})...)
}

// delegationWords says who signs for which channel; platforms that change in the same
// way are told together, or nobody would read it.
func (q *Request) delegationWords() []string {
	const name = "\x00"
	together := map[string][]string{} // words without the role's name → roles
	var order []string
	for _, role := range q.after.delegated() {
		was := voters{}
		if q.base != nil && q.base.delegation(role) != nil {
			was = q.base.grantOf(role)
		}
		text := strings.Join(grantWords(name, was, q.after.grantOf(role)), "\n")
		if text == "" {
			continue
		}
		if together[text] == nil {
			order = append(order, text)
		}
		together[text] = append(together[text], role)
	}
	var out []string
	for _, text := range order {
		roles := together[text]
		lines := strings.Split(text, "\n")
		if len(roles) > 1 {
			out = append(out, "each of "+strings.Join(roles, ", ")+":")
		}
		for _, line := range lines {
			out = append(out, strings.ReplaceAll(line, name, roleOr(roles)))
		}
	}
	return out
}

func roleOr(roles []string) string {
	if len(roles) > 1 {
		return "it"
	}
	return roles[0]
}

// delegated lists the delegated roles, whether or not they have been signed yet.
func (r *Repo) delegated() []string {
	top := r.targets[metadata.TARGETS]
	if top == nil || top.Signed.Delegations == nil {
		return nil
	}
	var out []string
	for _, d := range top.Signed.Delegations.Roles {
		out = append(out, d.Name)
	}
	return out
}

// plainDelegation reports whether a role speaks for its own channel and platform only.
func plainDelegation(role string, d *metadata.DelegatedRole) bool {
	channel, platform, _ := strings.Cut(role, "-")
	return d.Terminating && len(d.PathHashPrefixes) == 0 && slices.Equal(d.Paths, []string{tuf.CorePath(channel, platform, "*")})
}

// listed are the targets of a role before and after.
func (q *Request) listed(role string) (was, is map[string]*metadata.TargetFiles) {
	if q.base != nil && q.base.targets[role] != nil {
		was = q.base.targets[role].Signed.Targets
	}
	return was, q.after.targets[role].Signed.Targets
}

// listWords says which targets come, go and change.
func listWords(was, is map[string]*metadata.TargetFiles, about func(was, is *metadata.TargetFiles) string) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(is)) {
		switch old := was[name]; {
		case old == nil:
			out = append(out, "+ lists "+name+": "+about(nil, is[name]))
		case !sameTarget(old, is[name]):
			out = append(out, "~ changes "+name+": "+about(old, is[name]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(was)) {
		if is[name] == nil {
			out = append(out, "- does not list "+name+" any more")
		}
	}
	return out
}

func sameTarget(a, b *metadata.TargetFiles) bool {
	return a.Length == b.Length && a.Hashes.Equal(b.Hashes) && string(customOf(a)) == string(customOf(b))
}

func customOf(t *metadata.TargetFiles) json.RawMessage {
	if t.Custom == nil {
		return nil
	}
	return *t.Custom
}

func (q *Request) coreWords(role string) []string {
	was, is := q.listed(role)
	return listWords(was, is, func(old, t *metadata.TargetFiles) string {
		fresh := members(t)
		if old == nil {
			return fmt.Sprintf("%d bytes, SHA-256 %x, %s", t.Length, []byte(t.Hashes["sha256"]), strings.Join(fresh.all(), ", "))
		}
		words := fresh.since(members(old))
		if old.Length != t.Length || !old.Hashes.Equal(t.Hashes) {
			words = append([]string{fmt.Sprintf("OTHER BYTES under the same version: %d bytes, SHA-256 %x", t.Length, []byte(t.Hashes["sha256"]))}, words...)
		}
		return strings.Join(words, ", ")
	})
}

// about is what a core's custom part says, one short text a member.
type about map[string]string

func members(t *metadata.TargetFiles) about {
	raw := map[string]json.RawMessage{}
	if err := json.Unmarshal(customOf(t), &raw); err != nil {
		return about{"custom": "not understood: " + err.Error()}
	}
	out := about{}
	for name, value := range raw {
		out[name] = memberWords(name, value)
	}
	return out
}

// memberWords makes a member short enough to read; what is long is told by its number
// and hashes, which the packed core and the deltas have anyhow.
func memberWords(name string, value json.RawMessage) string {
	switch name {
	case wavesMember:
		var list []wave
		if json.Unmarshal(value, &list) == nil {
			var words []string
			for _, w := range list {
				words = append(words, fmt.Sprintf("%d %% from %s", w.Percent, w.From))
			}
			return strings.Join(words, " then ")
		}
	case pausedMember:
		var p paused
		if json.Unmarshal(value, &p) == nil {
			return "since " + p.At
		}
	case "deltas":
		var list []deltaEntry
		if json.Unmarshal(value, &list) == nil {
			var words []string
			for _, d := range list {
				words = append(words, fmt.Sprintf("from %.12s by %s, %d bytes, SHA-256 %.12s", d.From, d.Codec, d.Length, d.SHA256))
			}
			return "[" + strings.Join(words, "; ") + "]"
		}
	case "packed":
		var p packedEntry
		if json.Unmarshal(value, &p) == nil {
			return fmt.Sprintf("%d bytes by %s, SHA-256 %.12s", p.Length, p.Codec, p.SHA256)
		}
	case "soak":
		return strings.TrimSpace(string(value)) + " s"
	}
	return strings.Trim(string(value), `"`)
}

func (a about) all() []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(a)) {
		out = append(out, name+" "+a[name])
	}
	if a[wavesMember] == "" {
		out = append(out, "open to all at once")
	}
	return out
}

// since says which members differ.
func (a about) since(old about) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(a)) {
		switch was, ok := old[name]; {
		case !ok:
			out = append(out, name+" "+a[name])
		case was != a[name]:
			out = append(out, fmt.Sprintf("%s %s (was %s)", name, a[name], was))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(old)) {
		if _, ok := a[name]; !ok {
			out = append(out, "no "+name+" any more (was "+old[name]+")")
		}
	}
	return out
}

// First is the SHA-256, in hex, of the first root of the repository that the request
// changes: its name among people.
func (q *Request) First() string {
	if q.base == nil {
		return ""
	}
	data, err := q.base.Read("1.root.json", tuf.MaxRoot)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
