package agent

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/core/internal/session"
	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
)

// EnrolQuestion asks the core to show a token that was just put in place to the hub. The answer is EnrolWaiting while that is under way: ask again.
const (
	EnrolQuestion = "enrol"
	EnrolWaiting  = "waiting"
)

const enrolWithin = 4 * time.Second // of one answer; the socket gives a conversation five

// answerEnrol has the session show the token, and waits a while for what comes of it: a token that was used is gone.
func (a *agent) answerEnrol(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, enrolWithin)
	defer cancel()
	before := a.session.Status()
	failures := before.Attempts + 1
	if before.State == session.Connecting {
		failures++ // of the attempt under way, which may have begun without the token
	}
	a.session.Again()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		token, err := a.id.Token()
		s := a.session.Status()
		switch {
		case err == nil && token == nil && s.State == session.Connected:
			return fmt.Appendf(nil, "enrolled: %s is %s at %s\n", a.id.Fingerprint()[:16], s.Name, hubURL(s.Hub)), nil
		case s.Attempts >= failures && s.State != session.Connecting && s.Err != "":
			return nil, fmt.Errorf("%s (hint: %s)", s.Err, s.Hint)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return []byte(EnrolWaiting + "\n"), nil
		}
	}
}

// takenFrom names the file that says of which hub the last known good document is.
func (a *agent) takenFrom() string { return filepath.Join(a.o.Layout.Desired(), "hub") }

// openTaken reads of which hub the last known good is. Where nobody noted it, it is the one that is trusted.
func (a *agent) openTaken() {
	data, err := fsys.Read(fsys.Disk{}, a.takenFrom(), 1<<10)
	from := strings.TrimSpace(string(data))
	if err != nil || from == "" {
		from = a.id.Hub()
		a.noteTaken(from)
	}
	a.taken.Store(&from)
}

// tookFrom notes that the running document is that of the hub that is trusted now.
func (a *agent) tookFrom() {
	if hub := a.id.Hub(); *a.taken.Load() != hub {
		a.noteTaken(hub)
		a.taken.Store(&hub)
	}
}

func (a *agent) noteTaken(hub string) {
	if hub == "" {
		return
	}
	if err := fsys.WriteNew(fsys.Disk{}, a.takenFrom(), []byte(hub+"\n"), 0o600); err != nil {
		a.log.Warn("not noted of which hub the revision is; it is asked for once more", "err", err)
	}
}

// revision is what the hub is told of the running document. The number of another hub's means nothing to this one.
func (a *agent) revision() uint64 {
	v := a.view.Load()
	if from := *a.taken.Load(); from != "" && from != a.id.Hub() && v.revision != 0 {
		return wire.RevisionForeign
	}
	return v.revision
}
