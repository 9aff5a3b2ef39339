package session

import (
	"slices"
	"testing"
)

// formsOf is in which form the latest batches came, and forgets them.
func (h *testHub) formsOf() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	forms := h.forms
	h.forms = nil
	return forms
}

func TestResultsAreToldByDifference(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.set(func(c *hubConfig) { c.bases = 4 << 10 })
	a := newAgent(t, h)
	a.append(texts("before", 20)...)
	a.start()
	first := next(t, h)
	a.append(texts("live", 20)...)
	a.drained()
	if forms := h.formsOf(); slices.Contains(forms, "items") {
		t.Errorf("forms %v", forms)
	}

	// The line breaks while a batch is on its way: the next session begins with nothing kept, and what was not confirmed comes again.
	h.set(func(c *hubConfig) { c.dropAcks = true })
	first.ws.Close()
	deaf := next(t, h)
	a.append(texts("unconfirmed", 20)...)
	waitFor(t, "a batch came", func() bool { return len(h.formsOf()) > 0 })
	h.set(func(c *hubConfig) { c.dropAcks = false })
	deaf.ws.Close()
	next(t, h)
	a.append(texts("after", 20)...)
	a.drained()
	if forms := h.formsOf(); slices.Contains(forms, "items") {
		t.Errorf("forms %v", forms)
	}
	once(t, h.published(), slices.Concat(texts("before", 20), texts("live", 20), texts("unconfirmed", 20), texts("after", 20))...)
}

// A hub of the version before keeps no bases; one of before and after take turns, as behind a balancer in the middle of an upgrade.
func TestAHubThatKeepsNoBasesGetsResultsWhole(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	a := newAgent(t, h)
	a.start()
	var all []string
	for i, bases := range []uint32{0, 4 << 10, 0} {
		s := next(t, h)
		mine := texts([]string{"a", "b", "c"}[i], 20)
		all = append(all, mine...)
		h.formsOf()
		a.append(mine...)
		a.drained()
		wrong := "alike"
		if bases > 0 {
			wrong = "items"
		}
		if forms := h.formsOf(); slices.Contains(forms, wrong) || len(forms) == 0 {
			t.Errorf("session %d: forms %v", i, forms)
		}
		h.set(func(c *hubConfig) { c.bases = []uint32{4 << 10, 0, 0}[i] })
		s.ws.Close()
	}
	once(t, h.published(), all...)
}

// A hub that cannot follow says so. The next session's results come whole, and those of the one after by difference again.
func TestAHubThatCannotFollowGetsResultsWhole(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.set(func(c *hubConfig) { c.bases, c.loses = 4<<10, true })
	a := newAgent(t, h)
	a.start()
	next(t, h)
	a.append(texts("told", 20)...)
	whole := next(t, h)
	a.drained()
	forms := h.formsOf()
	if lost := slices.Index(forms, "items"); lost < 1 || slices.Contains(forms[lost:], "alike") {
		t.Errorf("forms %v", forms)
	}
	h.set(func(c *hubConfig) { c.loses = false })
	whole.ws.Close()
	next(t, h)
	a.append("again")
	a.drained()
	if forms := h.formsOf(); !slices.Equal(forms, []string{"alike"}) {
		t.Errorf("forms %v", forms)
	}
	once(t, h.published(), append(texts("told", 20), "again")...)
}
