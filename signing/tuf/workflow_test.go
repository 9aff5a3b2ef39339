package tuf_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/signing/tuf"
)

func TestRefreshFollowsTheRepository(t *testing.T) {
	m := newMirror(t)
	stored := m.refreshed()
	want := []string{"2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json", "1." + stable + ".json"}
	if !slices.Equal(m.asked, want) {
		t.Errorf("asked for %v, want %v", m.asked, want)
	}
	if _, err := tuf.Offline(stored, folder); err != nil {
		t.Errorf("the store does not verify offline: %v", err)
	}

	m.asked = nil
	set, stored, err := tuf.Refresh(stored, m.source, noon, folder)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"2.root.json", "timestamp.json"}; !slices.Equal(m.asked, want) {
		t.Errorf("with nothing new it asked for %v, want %v", m.asked, want)
	}
	if set.Development() || !set.Issued().Equal(noon.Add(-time.Hour)) {
		t.Errorf("development %v, issued %v", set.Development(), set.Issued())
	}

	m.docs[stable]["targets"].(obj)[folder+"2.0.0/limpet-core"] = fileOf("core 2", customOf("2.0.0", 2))
	m.bump(stable)
	m.seal()
	m.asked = nil
	set, _, err = tuf.Refresh(stored, m.source, noon, folder)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"2.root.json", "timestamp.json", "2.snapshot.json", "2." + stable + ".json"}; !slices.Equal(m.asked, want) {
		t.Errorf("with a new release it asked for %v, want %v", m.asked, want)
	}
	if cores, skipped := set.Cores("stable", "linux-amd64"); len(cores) != 2 || cores[0].Version != "2.0.0" || skipped != nil {
		t.Errorf("cores %v, skipped %v", cores, skipped)
	}
	gotuf(t, m, m.fresh(), nil)
}

func TestUnconsistentRepositoryHasPlainNames(t *testing.T) {
	m := newMirror(t)
	m.docs["root"]["consistent_snapshot"] = false
	m.seal()
	for _, role := range []string{"snapshot", "targets", stable} {
		m.files[role+".json"] = m.files["1."+role+".json"]
		delete(m.files, "1."+role+".json")
	}
	set, _, err := tuf.Refresh(m.fresh(), m.source, noon, core1)
	if err != nil {
		t.Fatal(err)
	}
	if target, err := set.Target(core1); err != nil || target.File != "targets/"+core1 {
		t.Errorf("target file %q, %v", target.File, err)
	}
}

func TestNoRoleButTheNeededOnesIsFetched(t *testing.T) {
	m := newMirror(t)
	d := at(m.docs["targets"], "delegations")
	other := delegationTo("beta-linux-amd64", []string{"stable"}, "core/beta/linux-amd64/*/limpet-core")
	d["roles"] = append([]any{other}, d["roles"].([]any)...)
	m.docs["beta-linux-amd64"] = signed("targets", day, obj{"targets": obj{}})
	m.seal() // nobody signs the beta role, and nobody minds
	stored := m.refreshed()
	if _, ok := stored["beta-linux-amd64.json"]; ok {
		t.Error("a role nobody asked for is stored")
	}
	set, err := tuf.Offline(stored, folder)
	if err != nil {
		t.Fatal(err)
	}
	_, err = set.Target("core/beta/linux-amd64/1.0.0/limpet-core")
	if kind, _ := kindOf(t, err); kind != tuf.NotLoaded {
		t.Errorf("a target of it: %v", err)
	}
	// What is not asked for any more is forgotten.
	m.asked = nil
	if _, stored, err = tuf.Refresh(stored, m.source, noon); err != nil {
		t.Fatal(err)
	}
	if _, ok := stored[stable+".json"]; ok {
		t.Error("a role nobody asks for any more is kept")
	}
}

// rotate publishes a new root in which role is signed by label.
func (m *mirror) rotate(role, label string, threshold int) {
	m.nextRoot()
	maps.Copy(at(m.docs["root"], "keys"), keys(label))
	at(m.docs["root"], "roles")[role] = obj{"keyids": []any{keyID(label)}, "threshold": threshold}
	m.signers[role] = []string{label}
}

func TestRootRotation(t *testing.T) {
	m := newMirror(t)
	first := m.refreshed()
	for i := range 5 { // each role's key in turn, and the root keys themselves
		switch i {
		case 0:
			m.rotate("timestamp", "timestamp2", 1)
		case 1:
			m.rotate("snapshot", "snapshot2", 1)
		case 2:
			m.rotate("targets", "targets2", 1)
		case 3:
			m.nextRoot()
			maps.Copy(at(m.docs["root"], "keys"), keys("new1", "new2"))
			at(m.docs["root"], "roles")["root"] = role(2, "new1", "new2")
			m.signers["root"] = []string{"root2", "root3", "new1", "new2"}
		case 4:
			m.nextRoot()
			m.docs["root"]["expires"] = noon.Add(365 * day).Format(time.RFC3339)
			m.signers["root"] = []string{"new1", "new2"}
		}
		m.bump("targets", stable)
		m.seal()
	}
	for name, stored := range map[string]tuf.Stored{"from the first root": m.fresh(), "from a full store": first} {
		_, after, err := tuf.Refresh(stored, m.source, noon, folder)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !bytes.Equal(after["root.json"], m.files["6.root.json"]) {
			t.Errorf("%s: the newest root is not stored", name)
		}
		gotuf(t, m, stored, err)
	}
}

func TestExpiredRootsInTheChainDoNotMatter(t *testing.T) {
	m := newMirror(t)
	for range 3 {
		m.docs["root"]["expires"] = before(300 * day)
		m.seal()
		m.nextRoot()
	}
	m.docs["root"]["expires"] = noon.Add(day).Format(time.RFC3339)
	m.seal()
	_, _, err := tuf.Refresh(m.fresh(), m.source, noon, folder)
	if err != nil {
		t.Error(err)
	}
	gotuf(t, m, m.fresh(), err)
}

func TestTooManyRootsAtOnceTakesTwoRefreshes(t *testing.T) {
	m := newMirror(t)
	for range 300 {
		m.nextRoot()
		m.files[fmt.Sprintf("%d.root.json", m.version("root"))] = m.sign("root")
	}
	_, stored, err := tuf.Refresh(m.fresh(), m.source, noon, folder)
	if kind, _ := kindOf(t, err); kind != tuf.Chain {
		t.Fatalf("300 roots at once: %v", err)
	}
	if len(m.asked) != 257 {
		t.Errorf("%d files asked for, want 257", len(m.asked))
	}
	if _, _, err = tuf.Refresh(stored, m.source, noon, folder); err != nil {
		t.Errorf("the rest of them: %v", err)
	}
}

// A thief of the online keys pushes the versions to the end of the scale. New keys
// must bring the fleet back.
func TestFastForwardRecovery(t *testing.T) {
	for _, stolen := range []string{"timestamp", "snapshot"} {
		t.Run(stolen, func(t *testing.T) {
			m := newMirror(t)
			m.number(1<<40, "timestamp", "snapshot", "targets")
			m.seal()
			stored := m.refreshed()
			m.number(2, "timestamp", "snapshot", "targets")
			m.seal()
			if _, _, err := tuf.Refresh(stored, m.source, noon, folder); err == nil {
				t.Fatal("the lower versions were taken without new keys")
			}
			m.rotate(stolen, stolen+"2", 1)
			m.seal()
			_, after, err := tuf.Refresh(stored, m.source, noon, folder)
			if err != nil {
				t.Fatalf("after the rotation: %v", err)
			}
			if !bytes.Equal(after["timestamp.json"], m.files["timestamp.json"]) {
				t.Error("the new timestamp is not stored")
			}
		})
	}
}

// The stale files are dropped also when the refresh that brings the new root gets
// no further.
func TestRotationForgetsWhatTheOldKeysSigned(t *testing.T) {
	m := newMirror(t)
	stored := m.refreshed()
	m.rotate("snapshot", "snapshot2", 1)
	m.seal()
	delete(m.files, "timestamp.json")
	_, after, err := tuf.Refresh(stored, m.source, noon, folder)
	if kind, _ := kindOf(t, err); kind != tuf.Missing {
		t.Fatal(err)
	}
	for _, name := range []string{"timestamp.json", "snapshot.json"} {
		if _, ok := after[name]; ok {
			t.Errorf("%s is still there", name)
		}
	}
	steps := tuf.Changes(stored, after)
	if len(steps) != 3 || steps[0].Data != nil || steps[1].Data != nil || steps[2].Name != "root.json" {
		t.Errorf("saved as %v", names(steps))
	}
}

func TestStoredTimestampOfStrangersProtectsNobody(t *testing.T) {
	m := newMirror(t)
	stored := m.refreshed()
	forged := newMirror(t)
	forged.docs["timestamp"]["version"] = 99
	forged.signers["timestamp"] = []string{"stranger"}
	forged.seal()
	stored["timestamp.json"] = forged.files["timestamp.json"]
	if _, _, err := tuf.Refresh(stored, m.source, noon, folder); err != nil {
		t.Errorf("a damaged store stops updating: %v", err)
	}
	if _, err := tuf.Offline(stored, folder); err == nil {
		t.Error("offline believes it")
	}
}

func TestDamagedStoreIsFetchedAnew(t *testing.T) {
	m := newMirror(t)
	for _, name := range []string{"timestamp.json", "snapshot.json", "targets.json", stable + ".json"} {
		for _, damage := range [][]byte{nil, {}, []byte("\x00\x00\x00"), []byte("{}"), bytes.Repeat([]byte("x"), tuf.MaxTargets+1)} {
			stored := m.refreshed()
			sound := stored[name]
			stored[name] = damage
			_, after, err := tuf.Refresh(stored, m.source, noon, folder)
			if err != nil || !bytes.Equal(after[name], sound) {
				t.Errorf("%s as %.10q: %v", name, damage, err)
			}
			if _, err := tuf.Offline(stored, folder); err == nil {
				t.Errorf("%s as %.10q: offline believes it", name, damage)
			}
		}
	}
}

func TestRootIsNeverFetchedAnew(t *testing.T) {
	m := newMirror(t)
	for name, root := range map[string][]byte{"missing": nil, "damaged": []byte("{}"), "too long": bytes.Repeat([]byte(" "), tuf.MaxRoot+1)} {
		stored := tuf.Stored{}
		if root != nil {
			stored["root.json"] = root
		}
		if _, after, err := tuf.Refresh(stored, m.source, noon, folder); err == nil || after == nil {
			t.Errorf("%s: %v, %v", name, after, err)
		}
		if _, err := tuf.Offline(stored); err == nil {
			t.Errorf("%s: offline believes it", name)
		}
	}
	if len(m.asked) > 0 {
		t.Errorf("without a root it asked for %v", m.asked)
	}
}

func TestSourceErrorsComeThrough(t *testing.T) {
	broken := errors.New("connection reset")
	for i, name := range []string{"2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json", "1." + stable + ".json"} {
		m := newMirror(t)
		src := func(asked string, limit int64) ([]byte, error) {
			if asked == name {
				return nil, fmt.Errorf("get it: %w", broken)
			}
			return m.source(asked, limit)
		}
		_, stored, err := tuf.Refresh(m.fresh(), src, noon, folder)
		if kind, _ := kindOf(t, err); kind != tuf.Unreadable || !errors.Is(err, broken) {
			t.Errorf("%s: %v", name, err)
		}
		if len(stored) != max(i, 1) {
			t.Errorf("%s: %d files were verified before it, %d are stored", name, max(i, 1), len(stored))
		}
	}
}

// A source is told how much it may bring: fixed limits for what nobody lists, the
// listed length for the rest.
func TestLimitsAreSetBeforeReading(t *testing.T) {
	m := newMirror(t)
	limits := map[string]int64{}
	src := func(name string, limit int64) ([]byte, error) {
		limits[name] = limit
		return m.source(name, limit)
	}
	if _, _, err := tuf.Refresh(m.fresh(), src, noon, folder); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int64{
		"2.root.json":     tuf.MaxRoot,
		"timestamp.json":  tuf.MaxTimestamp,
		"1.snapshot.json": int64(len(m.files["1.snapshot.json"])),
		"1.targets.json":  int64(len(m.files["1.targets.json"])),
	} {
		if limits[name] != want {
			t.Errorf("%s: limit %d, want %d", name, limits[name], want)
		}
	}
}

func TestExpiryStopsUpdatingNeverRunning(t *testing.T) {
	m := newMirror(t)
	stored := m.refreshed()
	late := noon.Add(3 * 365 * day)
	if _, _, err := tuf.Refresh(stored, m.source, late, folder); err == nil {
		t.Error("expired metadata updates")
	}
	// The same version again does not outlive its expiry.
	_, _, err := tuf.Refresh(stored, m.source, noon.Add(7*day), folder)
	if kind, where := kindOf(t, err); kind != tuf.Expired || where != "timestamp" {
		t.Errorf("the same timestamp past its expiry: %v", err)
	}
	set, err := tuf.Offline(stored, folder)
	if err != nil {
		t.Fatal(err)
	}
	warnings := set.Warnings(late)
	if len(warnings) != 5 {
		t.Errorf("%d warnings, want one a role: %v", len(warnings), warnings)
	}
	for _, w := range warnings {
		if !w.Expired || !strings.Contains(w.String(), "expired 203") {
			t.Errorf("warning %q", w)
		}
	}
}

func TestWarnings(t *testing.T) {
	m := newMirror(t)
	set, err := tuf.Offline(m.refreshed(), folder)
	if err != nil {
		t.Fatal(err)
	}
	// The timestamp was issued an hour before noon and lives seven days after it.
	half := noon.Add(-time.Hour + (7*day+time.Hour)/2)
	for _, c := range []struct {
		now  time.Time
		want []string
	}{
		{noon, nil},
		{half, nil},
		{half.Add(time.Second), []string{"timestamp"}},
		{noon.Add(7 * day), []string{"timestamp"}},
		{noon.Add(7*day + time.Second), []string{"timestamp", "snapshot"}},
		{noon.Add(76 * day), []string{"timestamp", "snapshot"}},
		{noon.Add(76*day + time.Second), []string{"timestamp", "snapshot", "targets", stable}},
		{noon.Add(351 * day), []string{"timestamp", "snapshot", "targets", stable}},
		{noon.Add(351*day + time.Second), []string{"root", "timestamp", "snapshot", "targets", stable}},
	} {
		var got []string
		for _, w := range set.Warnings(c.now) {
			got = append(got, w.Role)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%v after noon: %v, want %v", c.now.Sub(noon), got, c.want)
		}
	}
}

func names(steps []tuf.Change) []string {
	var out []string
	for _, s := range steps {
		verb := "write "
		if s.Data == nil {
			verb = "remove "
		}
		out = append(out, verb+s.Name)
	}
	return out
}

func TestChanges(t *testing.T) {
	b := func(s string) []byte { return []byte(s) }
	old := tuf.Stored{"root.json": b("r1"), "timestamp.json": b("t1"), "snapshot.json": b("s1"), "targets.json": b("x1"), "a.json": b("a1"), "z.json": b("z1")}
	with := func(change map[string]string) tuf.Stored {
		out := maps.Clone(old)
		for name, text := range change {
			if out[name] = b(text); text == "" {
				delete(out, name)
			}
		}
		return out
	}
	for name, c := range map[string]struct {
		from, to tuf.Stored
		want     []string
	}{
		"nothing":     {old, old, nil},
		"first":       {tuf.Stored{}, with(nil), []string{"write root.json", "write timestamp.json", "write snapshot.json", "write targets.json", "write a.json", "write z.json"}},
		"new release": {old, with(map[string]string{"timestamp.json": "t2", "snapshot.json": "s2", "a.json": "a2"}), []string{"write timestamp.json", "write snapshot.json", "write a.json"}},
		"new root":    {old, with(map[string]string{"root.json": "r2"}), []string{"write root.json"}},
		"new keys (these roots do not even parse)": {old, with(map[string]string{"root.json": "r2", "timestamp.json": "t2", "snapshot.json": "s2"}), []string{"remove timestamp.json", "remove snapshot.json", "write root.json", "write timestamp.json", "write snapshot.json"}},
		"role unused": {old, with(map[string]string{"z.json": "", "timestamp.json": "t2"}), []string{"write timestamp.json", "remove z.json"}},
	} {
		steps := tuf.Changes(c.from, c.to)
		if !slices.Equal(names(steps), c.want) {
			t.Errorf("%s: %v, want %v", name, names(steps), c.want)
		}
		got := maps.Clone(c.from)
		for _, s := range steps {
			if got[s.Name] = s.Data; s.Data == nil {
				delete(got, s.Name)
			}
		}
		if !maps.EqualFunc(got, c.to, bytes.Equal) {
			t.Errorf("%s: ends as %v", name, got)
		}
	}
}

// Power fails after each step of saving: what is left verifies offline, or at
// least can be refreshed.
func TestPowerCutWhileSaving(t *testing.T) {
	for name, change := range map[string]func(*mirror){
		"new release": func(m *mirror) { m.bump("targets", stable) },
		"new root":    func(m *mirror) { m.nextRoot(); m.bump("targets", stable) },
		"new keys":    func(m *mirror) { m.rotate("timestamp", "timestamp2", 1); m.bump("targets", stable) },
	} {
		m := newMirror(t)
		from := m.refreshed()
		change(m)
		m.seal()
		_, to, err := tuf.Refresh(from, m.source, noon, folder)
		if err != nil {
			t.Fatal(err)
		}
		disk := maps.Clone(from)
		for _, step := range tuf.Changes(from, to) {
			if disk[step.Name] = step.Data; step.Data == nil {
				delete(disk, step.Name)
			}
			if _, err := tuf.Offline(disk, folder); err != nil && name != "new keys" {
				t.Errorf("%s, cut after %s: %v", name, step.Name, err)
			}
			if _, _, err := tuf.Refresh(disk, m.source, noon, folder); err != nil {
				t.Errorf("%s, cut after %s: refresh: %v", name, step.Name, err)
			}
		}
	}
}
