package crashdisk

import (
	"maps"
	"slices"
)

// Chooser answers what a power cut leaves open: a number in [0, n). 0 is the kind answer, by which
// everything written is kept.
type Chooser interface{ Choose(n int) int }

// Kept is the chooser under which nothing is lost.
type Kept struct{}

// Choose implements Chooser.
func (Kept) Choose(int) int { return 0 }

// Lost is the chooser under which nothing that was not synced survives.
type Lost struct{}

// Choose implements Chooser.
func (Lost) Choose(n int) int { return min(1, n-1) }

// Restart cuts the power if it is still on and returns the disk as the next life finds it; everything
// on it is durable. Calls on d fail from now on.
func (d *Disk) Restart(c Chooser) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.off = true
	return d.restart(c)
}

func (d *Disk) restart(c Chooser) *Disk {
	r := restart{chooser: c, kept: map[*naming]bool{}, nodes: map[node]node{}}
	next := New()
	next.root = r.folder(d.root)
	return next
}

type restart struct {
	chooser Chooser
	kept    map[*naming]bool
	nodes   map[node]node // old to new, so that a file under two names stays one
}

func (r *restart) folder(d *folder) *folder {
	names := maps.Clone(d.durable)
	for _, step := range d.pending {
		if r.survives(step) {
			step.apply(d, names)
		}
	}
	next := newFolder()
	r.nodes[d] = next
	for _, name := range slices.Sorted(maps.Keys(names)) {
		next.durable[name] = r.node(names[name])
	}
	next.now = maps.Clone(next.durable)
	return next
}

func (r *restart) survives(step *naming) bool {
	kept, decided := r.kept[step]
	if !decided {
		kept = r.chooser.Choose(2) == 0
		r.kept[step] = kept
	}
	return kept
}

func (r *restart) node(n node) node {
	if done, ok := r.nodes[n]; ok {
		return done
	}
	var next node
	switch n := n.(type) {
	case *folder:
		next = r.folder(n)
	case *fileNode:
		next = n.after(r.chooser)
	}
	r.nodes[n] = next
	return next
}

// Every calls run once for every sequence of answers that run's chooser can be asked for, depth
// first, and returns how many there were. It stops after limit calls (0 = never) and when run
// returns false.
func Every(limit int, run func(Chooser) bool) int {
	p := &path{}
	for n := 1; ; n++ {
		p.at = 0
		if !run(p) || n == limit || !p.next() {
			return n
		}
	}
}

// Fresh reports whether a run of Every with this chooser is past what it has in common with the run before. With
// any other chooser everything is fresh.
func Fresh(c Chooser) bool {
	p, ok := c.(*path)
	return !ok || p.at >= len(p.picks)
}

// path is one way through a tree of choices.
type path struct {
	picks []pick
	at    int
}

type pick struct{ chosen, of int }

func (p *path) Choose(n int) int {
	if p.at == len(p.picks) {
		p.picks = append(p.picks, pick{0, n})
	}
	p.at++
	return p.picks[p.at-1].chosen
}

// next goes to the next path, false when this was the last.
func (p *path) next() bool {
	for len(p.picks) > 0 {
		last := &p.picks[len(p.picks)-1]
		if last.chosen+1 < last.of {
			last.chosen++
			return true
		}
		p.picks = p.picks[:len(p.picks)-1]
	}
	return false
}
