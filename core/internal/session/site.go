package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
)

// pieceWithin is how long a hub may take to answer for a part of a file.
const pieceWithin = 30 * time.Second

// ErrAway is the cause when something needs the line to the hub and there is none.
var ErrAway = errors.New("there is no session with the hub")

// question is one SiteGet on its way. The answer's channel holds one, and is closed when the line ended first.
type question struct {
	name   string
	offset int64
	answer chan *wire.SitePiece
}

// Get asks the hub for a part of a file of the site's repository (docs/wire.md, "Files of the site"). Without a line, or where it breaks, it is ErrAway; what the hub
// could not read is an error with its words. That there is no such file stands in the piece.
func (s *Session) Get(ctx context.Context, name string, offset int64) (*wire.SitePiece, error) {
	ctx, cancel := context.WithTimeout(ctx, pieceWithin)
	defer cancel()
	if s.Status().State != Connected {
		return nil, ErrAway
	}
	q := question{name, offset, make(chan *wire.SitePiece, 1)}
	select {
	case s.questions <- q: // of this line, or of the next one where it just broke
	case <-s.left:
		return nil, ErrAway
	case <-ctx.Done():
		return nil, ErrAway
	}
	select {
	case p, ok := <-q.answer:
		switch {
		case !ok:
			return nil, ErrAway
		case p.GetError() != "":
			return nil, fmt.Errorf("the hub cannot read %s: %.200s", name, p.GetError())
		case len(p.GetData()) > wire.MaxSitePiece || p.GetSize() < 0:
			return nil, fmt.Errorf("the hub's answer for %s is beyond the protocol's limits", name)
		}
		return p, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("ask the hub for %s: %w", name, ctx.Err())
	}
}

// questions of a line that wait for their answer, by call. The serving goroutine owns them.
type questions struct {
	open map[uint64]chan *wire.SitePiece
	last uint64
}

// ask sends a question.
func (v *serving) ask(q question) error {
	if len(v.questions.open) >= wire.MaxCalls {
		close(q.answer)
		return nil
	}
	v.questions.last++
	v.questions.open[v.questions.last] = q.answer
	return v.send(&wire.Frame{Body: &wire.Frame_SiteGet{SiteGet: &wire.SiteGet{Call: v.questions.last, Name: q.name, Offset: q.offset}}})
}

// answered passes an answer on. One that nobody asked for is ignored.
func (q *questions) answered(p *wire.SitePiece) {
	if answer, ok := q.open[p.GetCall()]; ok {
		delete(q.open, p.GetCall())
		answer <- p
	}
}

// hangUp tells those who wait that the line is gone.
func (q *questions) hangUp() {
	for _, answer := range q.open {
		close(answer)
	}
}

// Report tells the hub a verdict on a revision that was reported on before, if connected. The newest one counts.
func (s *Session) Report(r *wire.RevisionReport) {
	select {
	case <-s.reports: // nobody was there to send the one before
	default:
	}
	select {
	case s.reports <- r:
	default:
	}
}
