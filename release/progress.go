package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// barWidth is how many cells a bar has: bar, numbers and label fit 80 columns.
const barWidth = 24

// progress shows people how far long work is: one line that is drawn over, on a
// terminal; nothing anywhere else. It is for one goroutine.
type progress struct {
	w           io.Writer // nil: nobody watches
	done, total int
	began       time.Time
}

// progress starts a bar of so many steps; close takes it away.
func (o output) progress(total int) *progress {
	p := &progress{total: total, began: time.Now()}
	if terminal(o.stderr) {
		p.w = o.stderr
	}
	return p
}

// begin says what is being done now.
func (p *progress) begin(label string) {
	if p.w != nil {
		fmt.Fprint(p.w, "\r\033[K"+bar(p.done, p.total, label, time.Since(p.began)))
	}
}

// step counts one thing as done.
func (p *progress) step() { p.done++ }

func (p *progress) close() {
	if p.w != nil {
		fmt.Fprint(p.w, "\r\033[K")
	}
}

// bar draws one line of at most 79 columns.
func bar(done, total int, label string, spent time.Duration) string {
	full := 0
	if total > 0 {
		full = barWidth * min(done, total) / total
	}
	head := fmt.Sprintf("[%s%s] %d/%d %4.0fs ", strings.Repeat("#", full), strings.Repeat(".", barWidth-full), done, total, spent.Seconds())
	if room := 79 - len(head); len(label) > room {
		label = label[:max(0, room)]
	}
	return head + label
}

// terminal reports whether a person may be watching what is written to w.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}
