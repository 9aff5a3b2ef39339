//go:build unix

package e2e

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/e2e/rig"
)

// lineStatus is what `limpet status` says of the session.
type lineStatus struct {
	State, URL, Address, Rung, TLS, Error, Hint string
}

func (s *site) line(a *rig.Agent) lineStatus {
	var st struct {
		Core *struct {
			Hub     lineStatus
			Pending uint64
		}
	}
	if s.status(a, &st) && st.Core != nil {
		return st.Core.Hub
	}
	return lineStatus{}
}

func (s *site) online(a *rig.Agent, what string) {
	s.t.Helper()
	s.await("a session: "+what, func() bool { return s.line(a).State == "connected" && presence(s, a) == "online" })
}

// doctor waits for one that finds the box well, or not, and says so. It gives whom it asks a few seconds.
func (s *site) doctor(a *rig.Agent, well bool, says string) {
	s.t.Helper()
	var said string
	s.await("a doctor who says: "+says, func() bool {
		out, err := s.Run(s.ctx, "limpet", "doctor", "--root", a.Root)
		if out != said {
			said = out
			s.t.Logf("doctor: %v\n%s", err, out)
		}
		return (err == nil) == well && strings.Contains(out, says)
	})
}

// TestThroughAProxyWithAPassword: the password lies in a file of its own, also for doctor; it is changed while the agent runs, first at the proxy, then in the file.
func TestThroughAProxyWithAPassword(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, port, _ := net.SplitHostPort(s.hub.Address)
	name := "hub.company.example:" + port // which only the proxy can resolve
	s.must(s.hub.Stop())
	s.hub.More = []string{"--name", "hub.company.example"}
	s.must(s.hub.Start(s.ctx))
	p := newProxy(t, "first sesame", map[string]string{name: s.hub.Address})
	file := filepath.Join(s.Dir, "password")
	s.must(os.WriteFile(file, []byte("first sesame\n"), 0o600))

	a := s.NewAgent("box")
	s.must(a.Bootstrap(s.ctx, s.hub))
	s.must(a.Box("hub = https://"+name, "proxy = http://me@"+p.Address, "proxy_password_file = "+file))
	s.must(a.Start())
	t.Cleanup(func() { _ = a.Stop() })
	s.online(a, "through the proxy")
	if l := s.line(a); l.Rung != "proxy" || l.TLS != "bound" || p.count(name) == 0 {
		t.Errorf("%+v, %d tunnels", l, p.count(name))
	}
	s.doctor(a, true, "Nothing stands between")
	before := p.count(name)
	s.must(a.Look(s.ctx))
	s.await("the fetcher's way through the proxy", func() bool { return p.count(name) > before })

	p.cut("second sesame")
	s.await("a refusal that is shown", func() bool {
		l := s.line(a)
		return l.State != "connected" && strings.Contains(l.Error, "407") && strings.Contains(l.Hint, "proxy")
	})
	s.doctor(a, false, "proxy_password_file")
	s.must(os.Remove(file))
	s.must(a.Reload())
	s.await("a file that is missing is named", func() bool { return strings.Contains(s.line(a).Error, "proxy_password_file") })
	s.must(os.WriteFile(file, []byte("second sesame"), 0o600))
	s.must(a.Reload())
	s.online(a, "with the new password")
	log, _ := os.ReadFile(filepath.Join(a.Root, "log", "core.log"))
	if strings.Contains(string(log), "sesame") {
		t.Error("the log holds the password")
	}
}

// TestProxyOfTheEnvironment: HTTPS_PROXY and NO_PROXY of the service, the password in the URL.
func TestProxyOfTheEnvironment(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, port, _ := net.SplitHostPort(s.hub.Address)
	name := "hub.company.example:" + port
	s.must(s.hub.Stop())
	s.hub.More = []string{"--name", "hub.company.example"}
	s.must(s.hub.Start(s.ctx))
	p := newProxy(t, "sesame", map[string]string{name: s.hub.Address})
	a := s.NewAgent("box")
	s.must(a.Bootstrap(s.ctx, s.hub))
	s.must(a.Box("hub = https://" + name))
	s.Below = []string{"env", "HTTPS_PROXY=http://me:sesame@" + p.Address}
	s.must(a.Start())
	s.online(a, "through the environment's proxy")
	s.must(a.Stop())
	s.Below = append(s.Below, "NO_PROXY=.company.example")
	before := p.count(name)
	s.must(a.Start())
	t.Cleanup(func() { _ = a.Stop() })
	s.await("the addresses that the hub gave, as no resolver knows the name", func() bool { return s.line(a).Rung == "hub-given" })
	if p.count(name) != before {
		t.Error("the proxy was asked although NO_PROXY names the hub")
	}
}

// TestHubWithACertificateOfAnotherCA: the box trusts it because its box file names that authority, and not without.
func TestHubWithACertificateOfAnotherCA(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.must(s.hub.Stop())
	ca, cert, key := foreignCertificate(t)
	s.hub.More = []string{"--cert", cert, "--key", key}
	s.must(s.hub.Start(s.ctx))
	a := s.NewAgent("box")
	s.must(os.MkdirAll(filepath.Join(a.Root, "etc"), 0o755))
	s.must(a.Box("hub = "+s.hub.URL(), "ca = "+ca))
	s.must(a.Bootstrap(s.ctx, s.hub))
	s.must(a.Start())
	t.Cleanup(func() { _ = a.Stop() })
	s.online(a, "with ca =")
	s.must(a.Box("hub = " + s.hub.URL()))
	s.must(a.Reload())
	s.must(s.hub.Stop())
	s.must(s.hub.Start(s.ctx))
	s.await("an authority that nobody trusts", func() bool {
		l := s.line(a)
		return l.State != "connected" && strings.Contains(l.Error, "unknown authority")
	})
	s.must(a.Box("hub = "+s.hub.URL(), "ca = "+ca))
	s.must(a.Reload())
	s.online(a, "with ca = again, without a restart")
}

// TestSeveralHubs: an address where nobody is, one that is silent for ever, and the hub. Then the hub moves.
func TestSeveralHubs(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	nobody, err := rig.FreeAddress()
	s.must(err)
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, and says nothing
	s.must(err)
	t.Cleanup(func() { _ = silent.Close() })
	a := s.NewAgent("box")
	s.must(a.Bootstrap(s.ctx, s.hub))
	s.must(a.Box("hub = https://" + nobody + ", https://" + silent.Addr().String() + ", " + s.hub.URL()))
	s.must(a.Start())
	t.Cleanup(func() { _ = a.Stop() })
	s.online(a, "with the third")
	if l := s.line(a); l.URL != s.hub.URL() {
		t.Errorf("%+v", l)
	}
	before := len(s.left(a))
	s.must(s.hub.Stop())
	old := s.hub.Address
	s.hub.Address = nobody
	s.must(s.hub.Start(s.ctx))
	s.online(a, "with the first, where the hub is now")
	if l := s.line(a); !strings.Contains(l.URL, nobody) {
		t.Errorf("%+v", l)
	}
	// The box file names one that is not this: it leaves with a word, at once.
	s.must(a.Box("hub = https://" + old))
	s.must(a.Reload())
	s.await("a leave with a word", func() bool { l := s.left(a); return len(l) > before && l[len(l)-1] == "reload" })
}

// left are the causes with which the hub saw an agent leave, oldest first.
func (s *site) left(a *rig.Agent) (causes []string) {
	s.t.Helper()
	var log []struct{ Kind, Cause, Fingerprint string }
	s.await("the hub's log", func() bool { return s.hub.Get(s.ctx, "/api/v1/log?limit=1000", &log) == nil })
	for i := len(log) - 1; i >= 0; i-- {
		if e := log[i]; e.Kind == "left" && e.Fingerprint == a.Fingerprint() {
			causes = append(causes, e.Cause)
		}
	}
	return causes
}

// TestHubsKeyIsSucceeded: the hub gets a new key, twice, while it runs. An agent that was there follows, one that was away for both too, and a box with a token of before as well.
func TestHubsKeyIsSucceeded(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	token, err := s.hub.Token(s.ctx)
	s.must(err)
	a, away := s.agent("there"), s.agent("away")
	s.online(a, "with the first key")
	s.online(away, "with the first key")
	s.must(away.Stop())
	key := filepath.Join(s.hub.Data, "keys", "hub.key")
	first, err := os.ReadFile(key)
	s.must(err)
	for round := range 2 {
		out, err := s.Run(s.ctx, "limpet-hub", "key", "rotate", "--data", s.hub.Data)
		s.must(err)
		if !strings.Contains(out, "agents follow") {
			t.Error(out)
		}
		keys := func() int {
			data, _ := os.ReadFile(filepath.Join(a.Root, "state", "trust", "hub-keys"))
			return len(strings.Fields(string(data)))
		}
		s.await("the hub with its new key", func() bool {
			log, _ := os.ReadFile(s.hub.Process().Log)
			return strings.Count(string(log), "the hub has a new key") == round+1
		})
		s.must(a.KillCore()) // its next core has a session of its own
		s.await("the agent's word that it follows", func() bool { return keys() == round+1 })
		s.online(a, "with the next key")
	}
	if now, err := os.ReadFile(key); err != nil || string(now) == string(first) {
		t.Errorf("the key is the same, or gone: %v", err)
	}
	s.must(away.Start())
	s.online(away, "over both keys")
	late := s.NewAgent("late")
	s.must(late.BootstrapWith(s.ctx, s.hub, token))
	s.must(late.Start())
	t.Cleanup(func() { _ = late.Stop() })
	s.online(late, "by a token of before the first succession")

	// A thief of the first key is not the hub: nobody goes back.
	s.must(s.hub.Stop())
	second, err := os.ReadFile(key)
	s.must(err)
	s.must(os.Remove(filepath.Join(s.hub.Data, "keys", "hub.successions")))
	s.must(os.WriteFile(key, strangersKey(t), 0o600))
	s.must(s.hub.Start(s.ctx))
	s.await("a key that nothing leads to is refused", func() bool { return strings.Contains(s.line(a).Error, "not one this agent trusts") })
	s.must(s.hub.Stop())
	s.must(os.WriteFile(key, second, 0o600))
	s.must(s.hub.Start(s.ctx))
	s.online(a, "with the key that it follows")
}

// TestEnrolOntoARebuiltHub: the hub's folder is lost, and with it keys, register and bus. The box keeps its fingerprint, and brings what it has kept.
func TestEnrolOntoARebuiltHub(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	a := s.agent("box")
	s.online(a, "with the first hub")
	s.must(s.hub.Apply(s.ctx, "defaults: false\nchecks:\n  - {name: first, builtin: uptime, every: 1s}\n"))
	count := func(check string) int {
		var list []struct{ Text string }
		_ = s.hub.Get(s.ctx, "/api/v1/agents/"+a.Fingerprint()+"/checks/"+check+"/results?limit=1000", &list)
		return len(list)
	}
	s.await("results", func() bool { return count("first") >= 5 })
	fingerprint, had := a.Fingerprint(), count("first")
	s.must(s.hub.Stop())
	s.must(os.RemoveAll(s.hub.Data))
	s.must(s.hub.Start(s.ctx))
	// The new hub has a revision of the same number, which says something else.
	s.must(s.hub.Apply(s.ctx, "defaults: false\nchecks:\n  - {name: second, builtin: uptime, every: 1s}\n"))
	s.await("a stranger that is refused, with the way out", func() bool {
		l := s.line(a)
		return l.State != "connected" && strings.Contains(l.Hint, "enrol")
	})
	file := filepath.Join(s.Dir, "token")
	s.must(os.WriteFile(file, []byte("lt1_nonsense"), 0o600))
	if out, err := s.Run(s.ctx, "limpet", "enrol", "--token-file", file, "--root", a.Root); err == nil {
		t.Errorf("it took nonsense: %s", out)
	}
	if _, err := s.Run(s.ctx, "limpet", "enrol", "lt1_secret", "--root", a.Root); err == nil || strings.Contains(err.Error(), "error: lt1_secret") || strings.Contains(strings.SplitN(err.Error(), "\n", 2)[1], "lt1_secret") {
		t.Errorf("a token on the command line: %v", err)
	}
	token, err := s.hub.Token(s.ctx)
	s.must(err)
	s.must(os.WriteFile(file, []byte(token), 0o600))
	out, err := s.Run(s.ctx, "limpet", "enrol", "--token-file", file, "--root", a.Root)
	s.must(err)
	if !strings.Contains(out, "enrolled: "+fingerprint[:16]) {
		t.Error(out)
	}
	s.online(a, "with the hub made anew")
	if a.Fingerprint() != fingerprint {
		t.Error("the box is somebody else now")
	}
	if _, err := os.Stat(filepath.Join(a.Root, "etc", "token")); !os.IsNotExist(err) {
		t.Errorf("the used token is still there: %v", err)
	}
	s.await("what the first hub had, sent again", func() bool { return count("first") >= had })
	s.await("the new hub's checks", func() bool { return count("second") >= 2 })
	// The same token is used up; what it was refused for stands on the terminal.
	if out, err := s.Run(s.ctx, "limpet", "enrol", "--token-file", file, "--root", a.Root); err != nil || !strings.Contains(out, "enrolled") {
		t.Errorf("a token that this box has used already is known to be its own: %s, %v", out, err)
	}
}
