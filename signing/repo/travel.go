package repo

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing/tuf"
)

// maxDeltas is how many deltas one core may list; more, and clients leave it out.
const maxDeltas = 64

// codecName is what a codec may be called: it becomes the end of a file name.
var codecName = regexp.MustCompile(`^[a-z0-9]{1,16}$`)

// The members of custom that say how a core travels.
type (
	packedEntry struct {
		Codec  string `json:"codec"`
		Path   string `json:"path"`
		Length int64  `json:"length"`
		SHA256 string `json:"sha256"`
	}
	deltaEntry struct {
		From   string `json:"from"`
		Codec  string `json:"codec"`
		Path   string `json:"path"`
		Length int64  `json:"length"`
		SHA256 string `json:"sha256"`
	}
)

// Cores lists every core of every channel and platform, those not committed yet
// included: highest counter first, then by path.
func (r *Repo) Cores() ([]tuf.Core, error) {
	var out []tuf.Core
	for role, t := range r.targets {
		if role == metadata.TARGETS {
			continue
		}
		for name, target := range t.Signed.Targets {
			c, err := coreOf(role, name, target)
			if err != nil {
				return nil, fmt.Errorf("read custom of %s: %w", name, err)
			}
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b tuf.Core) int {
		return cmp.Or(cmp.Compare(b.Counter, a.Counter), strings.Compare(a.Path, b.Path))
	})
	return out, nil
}

// coreOf reads a target of this repository. Everything published went through
// signing/tuf before, so only the form is looked at.
func coreOf(role, name string, target *metadata.TargetFiles) (tuf.Core, error) {
	parts := strings.Split(name, "/")
	if len(parts) != 5 || target.Custom == nil || len(target.Hashes["sha256"]) != sha256.Size {
		return tuf.Core{}, fmt.Errorf("it is no core")
	}
	var c struct {
		custom
		Packed *packedEntry `json:"packed"`
		Deltas []deltaEntry `json:"deltas"`
	}
	if err := json.Unmarshal(*target.Custom, &c); err != nil {
		return tuf.Core{}, err
	}
	out := tuf.Core{
		Target: tuf.Target{
			Path: name, File: fileOf(name, [32]byte(target.Hashes["sha256"])), Role: role,
			Length: target.Length, SHA256: [32]byte(target.Hashes["sha256"]),
		},
		Channel: parts[1], Platform: parts[2], Version: c.Version, Counter: c.Counter, Floor: c.Floor,
		Soak: time.Duration(c.Soak) * time.Second, Contract: c.Contract, Codecs: c.Codecs,
	}
	for _, w := range c.Waves {
		from, err := time.Parse(time.RFC3339, w.From)
		if err != nil {
			return tuf.Core{}, err
		}
		out.Waves = append(out.Waves, tuf.Wave{From: from, Percent: w.Percent})
	}
	if c.Packed != nil {
		out.Packed = &tuf.Packed{Codec: c.Packed.Codec, Path: c.Packed.Path, Length: c.Packed.Length, SHA256: unhex(c.Packed.SHA256)}
	}
	for _, d := range c.Deltas {
		out.Deltas = append(out.Deltas, tuf.Delta{From: unhex(d.From), Codec: d.Codec, Path: d.Path, Length: d.Length, SHA256: unhex(d.SHA256)})
	}
	return out, nil
}

// unhex reads a hash that was verified to be one.
func unhex(s string) (out [32]byte) {
	_, _ = hex.Decode(out[:], []byte(s))
	return out
}

// fileOf is where a target lies in a repository with consistent snapshots.
func fileOf(name string, sum [32]byte) string {
	return "targets/" + path.Dir(name) + "/" + hex.EncodeToString(sum[:]) + "." + path.Base(name)
}

// Bytes brings a core, from disk or from what will be committed; they are what was
// listed, or there is an error.
func (r *Repo) Bytes(c tuf.Core) ([]byte, error) {
	data, ok := r.files[c.File]
	if !ok {
		var err error
		if data, err = fsys.Read(r.disk, filepath.Join(r.dir, filepath.FromSlash(c.File)), c.Length); err != nil {
			return nil, fmt.Errorf("read %s: %w", c.Path, err)
		}
	}
	if sha256.Sum256(data) != c.SHA256 {
		return nil, fmt.Errorf("read %s: its bytes are not those that are listed", c.Path)
	}
	return data, nil
}

// SetPacked lists the whole core as one smaller file, unless it has one in that
// codec already. That data makes the core is for the caller to have proved.
func (r *Repo) SetPacked(c tuf.Core, codec string, data []byte) error {
	if c.Packed != nil && c.Packed.Codec == codec {
		return nil
	}
	if err := checkWay(codec, data); err != nil {
		return fmt.Errorf("list packed %s: %w", c.Path, err)
	}
	sum := sha256.Sum256(data)
	text := hex.EncodeToString(sum[:])
	name := path.Join("packed", c.Platform, c.Version, text+".limpet-core."+suffix(codec))
	err := r.amend(c, func(about map[string]json.RawMessage) error {
		return put(about, "packed", packedEntry{codec, name, int64(len(data)), text})
	})
	if err == nil {
		r.files["targets/"+name] = data
	}
	return err
}

// suffix is the end of a packed file's name, as people know it.
func suffix(codec string) string {
	if codec == "zstd" {
		return "zst"
	}
	return codec
}

// AddDelta lists a way to make a core from an older one, whose SHA-256 is from,
// before those of that base that are longer. A base has one delta a codec: one that
// is listed already stays. That the delta makes the core is for the caller to have
// proved.
func (r *Repo) AddDelta(c tuf.Core, from [32]byte, codec string, data []byte) error {
	if err := checkWay(codec, data); err != nil {
		return fmt.Errorf("list delta for %s: %w", c.Path, err)
	}
	sum := sha256.Sum256(data)
	base := hex.EncodeToString(from[:])
	text := hex.EncodeToString(sum[:])
	entry := deltaEntry{base, codec, path.Join("delta", c.Platform, c.Version, text+".from-"+base[:12]+"."+codec), int64(len(data)), text}
	added := false
	err := r.amend(c, func(about map[string]json.RawMessage) error {
		var list []deltaEntry
		if about["deltas"] != nil {
			if err := json.Unmarshal(about["deltas"], &list); err != nil {
				return err
			}
		}
		if slices.ContainsFunc(list, func(d deltaEntry) bool { return d.From == base && d.Codec == codec }) {
			return nil
		}
		if len(list) >= maxDeltas {
			return fmt.Errorf("it lists %d deltas already, and boxes read no more", len(list))
		}
		added = true
		at := slices.IndexFunc(list, func(d deltaEntry) bool { return d.From == base && d.Length > entry.Length })
		if at < 0 {
			at = len(list)
		}
		return put(about, "deltas", slices.Insert(list, at, entry))
	})
	if err == nil && added {
		r.files["targets/"+entry.Path] = data
	}
	return err
}

func checkWay(codec string, data []byte) error {
	if !codecName.MatchString(codec) {
		return fmt.Errorf("codec %q: use a to z and 0 to 9, at most 16", codec)
	}
	if len(data) == 0 || len(data) > maxTarget {
		return fmt.Errorf("it has %d bytes; 1 to %d are taken", len(data), maxTarget)
	}
	return nil
}

func put(about map[string]json.RawMessage, name string, v any) error {
	text, err := json.Marshal(v)
	about[name] = text
	return err
}

// amend changes what is said about a core, in every channel that lists its bytes
// under its version: they stay the same release. Members nobody here knows stay.
func (r *Repo) amend(c tuf.Core, change func(about map[string]json.RawMessage) error) error {
	found := false
	for role, t := range r.targets {
		channel, platform, delegated := strings.Cut(role, "-")
		if !delegated || platform != c.Platform {
			continue
		}
		target := t.Signed.Targets[tuf.CorePath(channel, platform, c.Version)]
		if target == nil || string(target.Hashes["sha256"]) != string(c.SHA256[:]) {
			continue
		}
		found = true
		if _, err := r.amendOne(role, target, change); err != nil {
			return err
		}
	}
	if !found {
		return fmt.Errorf("describe %s: %w", c.Path, fs.ErrNotExist)
	}
	return nil
}

// amendOne changes what one role says about one core, and reports whether it did.
func (r *Repo) amendOne(role string, target *metadata.TargetFiles, change func(about map[string]json.RawMessage) error) (bool, error) {
	about := map[string]json.RawMessage{}
	if err := json.Unmarshal(*target.Custom, &about); err != nil {
		return false, fmt.Errorf("read custom of %s: %w", target.Path, err)
	}
	before := maps.Clone(about)
	if err := change(about); err != nil {
		return false, fmt.Errorf("describe %s: %w", target.Path, err)
	}
	if maps.EqualFunc(before, about, func(a, b json.RawMessage) bool { return string(a) == string(b) }) {
		return false, nil
	}
	text, err := json.Marshal(about)
	if err != nil {
		return false, fmt.Errorf("describe %s: %w", target.Path, err)
	}
	raw := json.RawMessage(text)
	target.Custom = &raw
	r.stale[role] = true
	return true, nil
}
