//go:build unix

package e2e

import (
	"strings"
	"testing"
	"time"
)

// TestBoxesThatComeAndGo: a fleet that an autoscaler makes and ends, by the programs. One box says that it goes, one is killed without a word; both leave the list, and the
// log says why. One of them comes back with what it has on its disk, and no token.
func TestBoxesThatComeAndGo(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	token, err := s.hub.Token(s.ctx, "--uses", "3", "--ephemeral=1m")
	s.must(err)
	going, vanishing := s.NewAgent("going"), s.NewAgent("vanishing")
	s.must(going.BootstrapWith(s.ctx, s.hub, token))
	s.must(vanishing.BootstrapWith(s.ctx, s.hub, token))
	stays := s.agent("stays")
	s.must(going.Start())
	s.must(vanishing.Start())
	t.Cleanup(func() { going.Stop(); vanishing.Stop() })
	type shown struct {
		Fingerprint string
		Results     int
		EphemeralMS int64 `json:"ephemeral_ms"`
	}
	listed := func(fingerprint string) (shown, bool) {
		all, _ := get[[]shown](s, "/api/v1/agents")
		for _, a := range all {
			if a.Fingerprint == fingerprint {
				return a, true
			}
		}
		return shown{}, false
	}
	s.await("results of all three", func() bool {
		for _, a := range []string{going.Fingerprint(), vanishing.Fingerprint(), stays.Fingerprint()} {
			if d, ok := listed(a); !ok || d.Results == 0 || (d.EphemeralMS == 60_000) != (a != stays.Fingerprint()) {
				return false
			}
		}
		return true
	})
	out, err := s.Run(s.ctx, "limpet-hub", "agents", "--data", s.hub.Data)
	s.must(err)
	if n := strings.Count(out, "online, ephemeral"); n != 2 {
		t.Errorf("limpet-hub agents marks %d boxes:\n%s", n, out)
	}
	if out, err = s.Run(s.ctx, "limpet-hub", "token", "list", "--data", s.hub.Data); err != nil || !strings.Contains(out, "ephemeral, 1m0s") {
		t.Errorf("limpet-hub token list: %v\n%s", err, out)
	}

	goes, vanishes := going.Fingerprint(), vanishing.Fingerprint()
	log := func(fingerprint string) (texts string) {
		events, _ := get[[]struct{ Kind, Fingerprint, Text string }](s, "/api/v1/log?limit=1000")
		for _, e := range events {
			if e.Fingerprint == fingerprint && e.Kind == "removed" {
				texts += e.Text + "\n"
			}
		}
		return texts
	}
	_, err = s.Run(s.ctx, "limpet-core", "deregister", "--root", going.Root)
	s.must(err)
	s.must(going.Stop())
	s.await("it is out of the list", func() bool { _, there := listed(goes); return !there })
	s.await("and in the log", func() bool { return strings.Contains(log(goes), "said that it goes") })

	killed := time.Now()
	s.stopped(vanishing.Stub().Cmd.Process.Pid, func() { // so that neither can say a word when it sees the other gone
		s.must(vanishing.KillCore())
		vanishing.Stub().Kill()
	})
	s.await("the other one leaves it, too", func() bool { _, there := listed(vanishes); return !there })
	if after := time.Since(killed); after < 55*time.Second {
		t.Errorf("it was taken out %s after it vanished", after)
	}
	s.await("and the log says why", func() bool { return strings.Contains(log(vanishes), "gone for 1m0s") })
	if _, there := listed(stays.Fingerprint()); !there {
		t.Error("the box that stays is gone")
	}

	s.must(vanishing.Start())
	s.await("it comes back by its key", func() bool { d, there := listed(vanishes); return there && d.Results > 0 })
	s.hub.Kill()
	s.must(s.hub.Start(s.ctx))
	s.await("a hub that was killed shows the same", func() bool {
		_, one := listed(vanishes)
		_, other := listed(goes)
		return one && !other
	})
}
