package platforms

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"

	"github.com/limpet-monitoring/limpet/platforms/plain"
)

// Layout says where everything on a box lies. Its zero value is not usable: ask Usual or At.
//
// The folders need not exist; MakeFolders makes them. Paths are absolute.
type Layout struct {
	Root  string // what --root named, "" for the usual places
	Bin   string // limpet, limpet-fetch: never touched by an update
	Ver   string // COUNTER-HASH/limpet-core: immutable once placed
	State string // everything that is written while running
	Etc   string // box file, identity, token
	Log   string // logs, rotated by ourselves
}

// Usual is the layout of an installed box: /opt/limpet, /etc/limpet, /var/log/limpet on Linux, the
// customary places elsewhere.
func Usual() Layout { return usualLayout() }

// At is the layout below one folder, which Limpet then never leaves: DIR/bin, DIR/ver, DIR/state,
// DIR/etc, DIR/log. The folder need not exist.
func At(root string) (Layout, error) {
	if root == "" {
		return Layout{}, errors.New("layout: the root folder is empty")
	}
	dir, err := filepath.Abs(root)
	if err != nil {
		return Layout{}, plain.Wrap("layout "+root, err)
	}
	return Layout{
		Root:  dir,
		Bin:   filepath.Join(dir, "bin"),
		Ver:   filepath.Join(dir, "ver"),
		State: filepath.Join(dir, "state"),
		Etc:   filepath.Join(dir, "etc"),
		Log:   filepath.Join(dir, "log"),
	}, nil
}

// Locate is At(root), or Usual when root is empty: what a command with a --root flag wants.
func Locate(root string) (Layout, error) {
	if root == "" {
		return Usual(), nil
	}
	return At(root)
}

// RootArgs are the arguments that make another of our programs use the same layout: --root DIR, or
// none for the usual places.
func (l Layout) RootArgs() []string {
	if l.Root == "" {
		return nil
	}
	return []string{"--root", l.Root}
}

// Below Etc.

// BoxFile is limpet.conf, the owner's word. We never write to it once it exists.
func (l Layout) BoxFile() string { return filepath.Join(l.Etc, "limpet.conf") }

// Key is the agent's private key (Ed25519), mode 0600.
func (l Layout) Key() string { return filepath.Join(l.Etc, "agent.key") }

// Finger is the file with the fingerprint, the SHA-256 of the key's public half in hex.
func (l Layout) Finger() string { return filepath.Join(l.Etc, "agent.finger") }

// Token is the enrolment token, mode 0600; the core deletes it once it has enrolled.
func (l Layout) Token() string { return filepath.Join(l.Etc, "token") }

// Below State.

// Record is one of the two sectors (0 or 1) that name the core to run.
func (l Layout) Record(slot int) string {
	return filepath.Join(l.State, "rec"+strconv.Itoa(slot&1))
}

// TrustCore is the folder of the publisher's TUF metadata, the only one that the stub reads.
func (l Layout) TrustCore() string { return filepath.Join(l.State, "trust", "core") }

// TrustSite is the folder of the fleet owner's TUF metadata, read by the core's catalog.
func (l Layout) TrustSite() string { return filepath.Join(l.State, "trust", "site") }

// TrustDocument is the hub's trust document as it was checked against the token.
func (l Layout) TrustDocument() string { return filepath.Join(l.State, "trust", "hub.json") }

// Part is the folder of unfinished downloads. Nothing in it is believed or renamed out of it.
func (l Layout) Part() string { return filepath.Join(l.State, "part") }

// Install is the folder of `limpet-fetch bootstrap` and `upgrade-stub`: their downloads and their lock,
// closed to everybody else. Part is not theirs, since it belongs to a user with fewer rights.
func (l Layout) Install() string { return filepath.Join(l.State, "install") }

// Lock is held by the one core that schedules.
func (l Layout) Lock() string { return filepath.Join(l.State, "lock") }

// StubLock is held by the one stub that supervises this layout.
func (l Layout) StubLock() string { return filepath.Join(l.State, "run", "stub.lock") }

// Checks holds check states and due times, at most a second old.
func (l Layout) Checks() string { return filepath.Join(l.State, "checks") }

// Standings holds where checks stand with their attempts, for the time after a reboot.
func (l Layout) Standings() string { return filepath.Join(l.State, "standings") }

// Handover is the folder of what one core leaves for the next.
func (l Layout) Handover() string { return filepath.Join(l.State, "handover") }

// Request is the folder of what local commands ask of the stub.
func (l Layout) Request() string { return filepath.Join(l.State, "request") }

// Rejected is where the last log lines of a rejected core are kept; hash is its SHA-256 in hex.
func (l Layout) Rejected(hash string) string {
	return filepath.Join(l.State, "rejected", hash+".log")
}

// History is the stub's list of what became of each release.
func (l Layout) History() string { return filepath.Join(l.State, "history") }

// Addresses holds the addresses of the hub that worked or that the hub gave.
func (l Layout) Addresses() string { return filepath.Join(l.State, "addresses") }

// Run is the folder of what is true only while something runs.
func (l Layout) Run() string { return filepath.Join(l.State, "run") }

// RunStub is the stub's view of itself, for `limpet status`: a small text file.
func (l Layout) RunStub() string { return filepath.Join(l.State, "run", "stub") }

// Socket is where the core listens for `limpet-core status` and its like. The system may refuse
// paths past about 100 bytes; the core then says so and goes on without.
func (l Layout) Socket() string { return filepath.Join(l.State, "run", "core.sock") }

// Buffer is the folder of the generations of the result buffer.
func (l Layout) Buffer() string { return filepath.Join(l.State, "buffer") }

// Catalog is the folder of plugin files by content hash.
func (l Layout) Catalog() string { return filepath.Join(l.State, "catalog") }

// Desired is the folder of the desired state: the running revision and the last known good.
func (l Layout) Desired() string { return filepath.Join(l.State, "desired") }

// Builtin is the folder of what builtin checks keep between runs.
func (l Layout) Builtin() string { return filepath.Join(l.State, "builtin") }

// Imported is the folder of checks imported from another agent on the box.
func (l Layout) Imported() string { return filepath.Join(l.State, "imported") }

// Collector is the folder of what collectors need on disk.
func (l Layout) Collector() string { return filepath.Join(l.State, "collector") }

// Below Ver, Bin and Log.

// CoreDir is the folder of one core: the counter of its release and its SHA-256 in hex.
func (l Layout) CoreDir(counter uint64, hash string) string {
	return filepath.Join(l.Ver, strconv.FormatUint(counter, 10)+"-"+hash)
}

// CoreFile is the core's executable in CoreDir.
func (l Layout) CoreFile(counter uint64, hash string) string {
	return filepath.Join(l.CoreDir(counter, hash), CoreName)
}

// Stub is the service process as it is installed.
func (l Layout) Stub() string { return filepath.Join(l.Bin, "limpet"+exeSuffix) }

// Fetch is the stub's fetcher as it is installed.
func (l Layout) Fetch() string { return filepath.Join(l.Bin, "limpet-fetch"+exeSuffix) }

// StubLog is the stub's own log.
func (l Layout) StubLog() string { return filepath.Join(l.Log, "limpet.log") }

// CoreLog is what the core writes to its stderr, rotated by the stub.
func (l Layout) CoreLog() string { return filepath.Join(l.Log, "core.log") }

// CoreName is the file name of a core below ver/ and its argv[0].
const CoreName = "limpet-core" + exeSuffix

// MakeFolders makes bin, ver, state with the folders in it that need rights of their own, etc and
// log. State is closed to others but for passing through; metadata below trust is public and
// readable; ver and bin are readable and owned by who runs this. Existing folders keep their rights.
func (l Layout) MakeFolders() error {
	for _, d := range []struct {
		path string
		mode os.FileMode
	}{
		{l.Bin, 0o755}, {l.Ver, 0o755}, {l.Etc, 0o755}, {l.Log, 0o750},
		{l.State, 0o711}, {l.Run(), 0o755}, {l.Part(), 0o755}, {l.Install(), 0o700},
		{filepath.Dir(l.TrustCore()), 0o755}, {l.TrustCore(), 0o755}, {l.TrustSite(), 0o755},
		{l.Request(), 0o700}, {l.Handover(), 0o700}, {l.Buffer(), 0o700}, {l.Catalog(), 0o755},
		{l.Desired(), 0o700},
	} {
		if err := os.MkdirAll(d.path, d.mode); err != nil {
			return plain.Wrap("make folder "+d.path, err)
		}
	}
	return nil
}
