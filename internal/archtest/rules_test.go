package archtest

import "testing"

// rule says what the packages that match may import directly: of our own, and of other modules. The
// first rule that matches a package is its rule; a package without one fails the test.
type rule struct {
	packages []string
	own      []string
	others   []string
}

var (
	xsys     = []string{"golang.org/x/sys/..."}
	compress = "github.com/klauspost/compress/..."
	protobuf = "google.golang.org/protobuf/..."
	varints  = "google.golang.org/protobuf/encoding/protowire" // what of it a program of ours may link: the rest is 1.5 MB of code and 0.3 of memory

	// light is what everybody may build upon.
	light = []string{"platforms", "platforms/fsys", "platforms/boxfile", "platforms/plain", "platforms/confine", "signing/tuf"}
)

func with(list []string, more ...string) []string {
	return append(append([]string(nil), list...), more...)
}

var rules = []rule{
	// Light: the stub links these, for ever.
	{[]string{"platforms/service"}, []string{"platforms", "platforms/fsys"}, xsys},
	{[]string{"platforms/..."}, []string{"platforms/..."}, xsys},
	{[]string{"signing/tuf"}, nil, nil},
	{[]string{"core/check/..."}, []string{"core/check"}, []string{"github.com/robfig/cron/v3"}},
	{[]string{"updater/boot"}, light, xsys},
	{[]string{"updater/store"}, with(light, "updater/boot"), xsys},
	{[]string{"stub"}, with(light, "updater/boot", "updater/store"), xsys},

	// Signing.
	{[]string{"signing/trust"}, []string{"signing/tuf"}, nil},
	{[]string{"signing"}, light, append([]string{"golang.org/x/crypto/..."}, xsys...)},
	{[]string{"signing/ceremony"}, with(light, "signing", "signing/repo"), []string{"golang.org/x/term"}},
	{[]string{"signing/repo"}, with(light, "signing"), []string{"github.com/theupdateframework/go-tuf/v2/...", "github.com/secure-systems-lab/go-securesystemslib/cjson"}},

	// The way out.
	{[]string{"updater/dial", "updater/delta", "updater/delta/internal/...", "updater/fetch"}, with(light, "updater/boot", "updater/store", "updater/dial", "updater/delta/internal/..."), []string{compress}},
	{[]string{"updater/delta/encode"}, with(light, "updater/delta", "updater/delta/internal/..."), []string{compress}}, // the publisher's half
	{[]string{"stub/fetch"}, with(light, "signing/trust", "updater/boot", "updater/store", "updater/dial", "updater/fetch"),
		append([]string{compress, "github.com/minio/selfupdate/..."}, xsys...)},

	// Core and hub, which share the wire and nothing else.
	{[]string{"core/wire/alike"}, nil, nil},
	{[]string{"core/wire"}, []string{"core/check", "core/wire/alike"}, []string{varints, compress}},
	{[]string{"core/wire/gen"}, nil, []string{protobuf}}, // a plugin of protoc
	{[]string{"core/..."}, []string{"core/...", "platforms/...", "signing/tuf", "signing/trust", "updater/dial", "updater/fetch", "updater/delta"},
		append([]string{
			varints, compress, "github.com/gorilla/websocket", "github.com/robfig/cron/v3", "github.com/shirou/gopsutil/v4/...",
			"golang.org/x/sync/...", "golang.org/x/time/...",
		}, xsys...)},
	{[]string{"hub/internal/bus"}, []string{"core/wire/...", "platforms/..."}, append([]string{"github.com/nats-io/..."}, xsys...)},
	{[]string{"hub/..."}, []string{"hub/...", "core/wire/...", "core/check/...", "signing/...", "updater/dial", "updater/fetch", "platforms/..."},
		append([]string{
			compress, "github.com/gorilla/websocket", "github.com/robfig/cron/v3", "go.yaml.in/yaml/v3",
			"golang.org/x/crypto/...", "golang.org/x/sync/...", "golang.org/x/time/...",
		}, xsys...)},
	{[]string{"release/..."}, []string{"release/...", "signing/...", "updater/delta", "updater/delta/encode", "platforms/..."}, append([]string{"github.com/klauspost/compress/..."}, xsys...)}, // packs cores

	// Tests of the whole, which build and run the programs; nothing imports them but themselves.
	{[]string{"e2e/..."}, []string{"e2e/...", "core/wire/...", "core/check/...", "signing/...", "platforms/...", "updater/...", "internal/twenty"},
		append([]string{"github.com/gorilla/websocket", compress}, xsys...)},
	{[]string{"internal/twenty"}, nil, nil}, // beside them, for tests of others
	{[]string{"internal/archtest"}, nil, nil},
}

func TestImportsGoFromHeavyToLight(t *testing.T) {
	for _, system := range systems {
		t.Run(system, func(t *testing.T) {
			t.Parallel()
			for _, p := range packages(t, system) {
				checkImports(t, p)
			}
		})
	}
}

func checkImports(t *testing.T, p pkg) {
	for _, r := range rules {
		if !matches(p.path, r.packages) {
			continue
		}
		for _, i := range p.imports {
			own, ours := cutModule(i)
			if ours && !matches(own, r.own) || !ours && foreign(i) && !matches(i, r.others) {
				t.Errorf("%s imports %s, which its rule does not allow", p.path, i)
			}
		}
		return
	}
	t.Errorf("%s has no rule: add one to internal/archtest", p.path)
}
