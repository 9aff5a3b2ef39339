package gateway_test

import (
	"testing"

	"github.com/limpet-monitoring/limpet/core/wire"
)

func TestAgentsGetFilesOfTheSite(t *testing.T) {
	h := startHub(t, settings{site: func(name string, offset int64) *wire.SitePiece {
		if name != "timestamp.json" {
			return &wire.SitePiece{Missing: true}
		}
		return &wire.SitePiece{Size: 10, Data: []byte("0123456789")[offset:]}
	}})
	_, l := h.join()
	for call, c := range []struct {
		name   string
		offset int64
		want   string
	}{{"timestamp.json", 0, "0123456789"}, {"timestamp.json", 8, "89"}, {"other", 0, ""}} {
		if err := l.send(&wire.Frame{Body: &wire.Frame_SiteGet{SiteGet: &wire.SiteGet{Call: uint64(call) + 1, Name: c.name, Offset: c.offset}}}); err != nil {
			t.Fatal(err)
		}
		p := l.must(func(f *wire.Frame) bool { return f.GetSitePiece() != nil }).GetSitePiece()
		if p.GetCall() != uint64(call)+1 || string(p.GetData()) != c.want || p.GetMissing() != (c.name == "other") {
			t.Errorf("%s from %d: %v", c.name, c.offset, p)
		}
	}
}

func TestWithoutASiteNothingIsThere(t *testing.T) {
	h := startHub(t, settings{})
	_, l := h.join()
	if err := l.send(&wire.Frame{Body: &wire.Frame_SiteGet{SiteGet: &wire.SiteGet{Call: 1, Name: "timestamp.json"}}}); err != nil {
		t.Fatal(err)
	}
	if p := l.must(func(f *wire.Frame) bool { return f.GetSitePiece() != nil }).GetSitePiece(); !p.GetMissing() || p.GetCall() != 1 {
		t.Errorf("%v", p)
	}
}
