package gateway_test

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/hub/internal/bus"
	"github.com/limpet-monitoring/limpet/hub/internal/enrol"
	"github.com/limpet-monitoring/limpet/hub/internal/fleet"
	"github.com/limpet-monitoring/limpet/hub/internal/gateway"
	"github.com/limpet-monitoring/limpet/hub/internal/presence"
	"github.com/limpet-monitoring/limpet/signing/trust"
)

// These make this binary a hub process that serves until it is killed.
const (
	hubDir  = "LIMPET_TEST_HUB_DIR"
	hubSeed = "LIMPET_TEST_HUB_SEED"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(hubDir); dir != "" {
		if err := serveUntilKilled(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// serveUntilKilled is a hub without TLS, as behind a balancer. It prints a token and its address.
func serveUntilKilled(dir string) error {
	ctx := context.Background()
	seed, err := hex.DecodeString(os.Getenv(hubSeed))
	if err != nil {
		return err
	}
	b, err := bus.Open(ctx, bus.Options{Dir: dir})
	if err != nil {
		return err
	}
	register, err := enrol.Open(ctx, b)
	if err != nil {
		return err
	}
	board, err := presence.Open(ctx, b)
	if err != nil {
		return err
	}
	if _, err := fleet.Open(ctx, b, fleet.Options{Register: register, Presence: board}); err != nil {
		return err
	}
	g, err := gateway.New(gateway.Options{Bus: b, Register: register, Presence: board, Key: fixed(ed25519.NewKeyFromSeed(seed))})
	if err != nil {
		return err
	}
	_, token, err := register.CreateToken(ctx, sha256.Sum256(nil), enrol.Request{Uses: 10})
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(token, ln.Addr())
	return http.Serve(ln, g)
}

// hubProcess is a hub of its own process.
type hubProcess struct {
	cmd   *exec.Cmd
	at    where
	token trust.Token
}

func startProcess(t testing.TB, dir string, key ed25519.PrivateKey) *hubProcess {
	t.Helper()
	p := &hubProcess{cmd: exec.Command(os.Args[0])}
	p.cmd.Env = append(os.Environ(), hubDir+"="+dir, hubSeed+"="+hex.EncodeToString(key.Seed()))
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	token, addr, _ := strings.Cut(strings.TrimSpace(line), " ")
	if p.token, err = trust.ParseToken(token); err != nil {
		t.Fatal(err)
	}
	p.at = where{url: "ws://" + addr, key: key.Public().(ed25519.PublicKey)}
	return p
}

func (p *hubProcess) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// The hub is killed (-9) again and again while agents send: none of their records is lost, none is there twice, and the hub
// that comes last shows all of it.
func TestKilledHubLosesAndDoublesNothing(t *testing.T) {
	const kills, agents, records = 6, 3, 600
	dir := t.TempDir()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	p := startProcess(t, dir, key)
	fleetOf := make([]*agent, agents)
	for i := range fleetOf {
		fleetOf[i] = newAgent(t, &p.token)
		fleetOf[i].hostname = fmt.Sprintf("box%d", i)
		for n := range records {
			state := wire.State_STATE_OK
			if n%100 == 99 {
				state = wire.State_STATE_CRITICAL
			}
			fleetOf[i].result(uint64(50+i), "disk", state, "fine")
		}
	}
	for round := range kills + 1 {
		if round > 0 {
			p = startProcess(t, dir, key)
		}
		last := round == kills
		var wg sync.WaitGroup
		for i, a := range fleetOf {
			wg.Go(func() {
				l, err := a.connect(t.Context(), p.at)
				if err != nil {
					if last || code(err) != "" {
						t.Error(err)
					}
					return
				}
				defer l.cut()
				if every := l.welcome.GetHeartbeatMs(); every != 10_000 { // what a hub says that was told nothing else
					t.Errorf("a heartbeat every %d ms", every)
				}
				if err := l.drain(uint64(50+i), 1+round); err != nil && (last || errors.Is(err, errWrongAck)) {
					t.Error(err)
				}
			})
		}
		if !last {
			<-time.After(time.Duration(20+rand.IntN(60)) * time.Millisecond) // anywhere in their work
			p.kill()
		}
		wg.Wait()
	}
	p.kill()
	h := startHub(t, settings{dir: dir, key: key})
	for _, a := range fleetOf {
		exactlyOnce(t, h.bus, a)
		d, err := h.fleet.Agent(a.fingerprint())
		if err != nil {
			t.Fatal(err)
		}
		if d.Results != records || len(d.Checks) != 1 || d.Checks[0].Last.Seq != records || d.State != "CRITICAL" {
			t.Errorf("the view has %d results, checks %+v", d.Results, d.Checks)
		}
		if d.Presence != fleet.Offline {
			t.Errorf("%s is %s", d.Name, d.Presence)
		}
		changes := 0
		for _, e := range h.fleet.Log(1000) {
			if e.Kind == "state" && e.Fingerprint == a.fingerprint() {
				changes++
			}
		}
		if want := 2*records/100 - 1; changes != want {
			t.Errorf("%d changes of state in the log, not %d", changes, want)
		}
	}
}
