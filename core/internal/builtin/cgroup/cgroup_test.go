package cgroup

import (
	"slices"
	"testing"
)

func TestPath(t *testing.T) {
	for _, c := range []struct {
		text, controller, path string
		v1, ok                 bool
	}{
		{"0::/\n", "memory", "/", false, true},
		{"0::/system.slice/x.service\n", "cpu", "/system.slice/x.service", false, true},
		{"5:cpu,cpuacct:/a\n4:memory:/b:c\n0::/d\n", "memory", "/b:c", true, true},
		{"5:cpu,cpuacct:/a\n4:memory:/b\n0::/d\n", "cpu", "/a", true, true},
		{"1:name=systemd:/\n0::/d\n", "cpu", "/d", false, true},
		{"", "cpu", "", false, false},
		{"garbage\n0:\n0::relative\n", "cpu", "", false, false},
	} {
		path, v1, ok := path([]byte(c.text), c.controller)
		if path != c.path || v1 != c.v1 || ok != c.ok {
			t.Errorf("%q: %q, %v, %v", c.text, path, v1, ok)
		}
	}
}

func TestChain(t *testing.T) {
	for place, want := range map[string][]string{
		"/":        {"/s"},
		"/a/b":     {"/s", "/s/a/b", "/s/a"},
		"/../../x": {"/s"}, // outside of what this process may see
	} {
		if got := chain("/s", place); !slices.Equal(got, want) {
			t.Errorf("%q: %q", place, got)
		}
	}
}

func TestQuota(t *testing.T) {
	for text, want := range map[string]float64{"200000 100000\n": 2, "50000 100000": 0.5} {
		if got, ok := quota([]byte(text)); !ok || got != want {
			t.Errorf("%q: %v, %v", text, got, ok)
		}
	}
	for _, text := range []string{"max 100000\n", "", "5", "5 0", "0 5", "x y"} {
		if got, ok := quota([]byte(text)); ok {
			t.Errorf("%q was taken: %v", text, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("5:cpu,cpuacct:/a/b\n0::/d\n", "200000 100000")
	f.Fuzz(func(t *testing.T, a, b string) {
		if place, _, ok := path([]byte(a), "cpu"); ok {
			if n := len(chain("", place)); n > maxDepth+1 {
				t.Errorf("%d folders", n)
			}
		}
		if cpus, ok := quota([]byte(b)); ok && !(cpus > 0) {
			t.Errorf("%v CPUs", cpus)
		}
		value([]byte(b), "k")
	})
}
