package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/signing/tuf"
)

// A repository that is served: boxes can use it, a download that broke off goes on
// where it was, and nothing else of the folder is to be had.
func TestServe(t *testing.T) {
	r := tool{t, t.TempDir()}
	core := filepath.Join(r.dir, "core")
	if err := os.WriteFile(core, []byte(strings.Repeat("a core ", 1000)), 0o755); err != nil {
		t.Fatal(err)
	}
	r.run(0, "init", "--dir", "$repo", "--keys", "$keys", "--development")
	r.run(0, "publish", "--dir", "$repo", "--keys", "$keys", "--version", "1.0.0", "--core", "linux-amd64=$core")

	ctx, stop := context.WithCancel(t.Context())
	said, say := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"serve", "--dir", filepath.Join(r.dir, "repo"), "--listen", "127.0.0.1:0"}, say, io.Discard)
	}()
	line, err := bufio.NewReader(said).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, said)
	url := regexp.MustCompile(`http://[0-9.:]+`).FindString(line)

	get := func(method, name, span string) (*http.Response, []byte) {
		req, err := http.NewRequestWithContext(t.Context(), method, url+name, nil)
		if err != nil {
			t.Fatal(err)
		}
		if span != "" {
			req.Header.Set("Range", span)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		data, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp, data
	}
	src := func(name string, limit int64) ([]byte, error) {
		resp, data := get("GET", "/"+name, "")
		if resp.StatusCode == http.StatusNotFound {
			return nil, os.ErrNotExist
		}
		return data, nil
	}
	_, root := get("GET", "/1.root.json", "")
	set, _, err := tuf.Refresh(tuf.Stored{"root.json": root}, src, time.Now(), tuf.CoreDir("stable", "linux-amd64"))
	if err != nil {
		t.Fatal(err)
	}
	cores, _ := set.Cores("stable", "linux-amd64")
	whole, _ := src(cores[0].File, 0)
	resp, rest := get("GET", "/"+cores[0].File, "bytes=100-")
	if resp.StatusCode != http.StatusPartialContent || string(whole[100:]) != string(rest) || len(whole) != 7000 {
		t.Errorf("the rest of a file: %s, %d bytes", resp.Status, len(rest))
	}
	if got := resp.Header.Get("Cache-Control"); !strings.Contains(got, "immutable") {
		t.Errorf("a target's Cache-Control: %s", got)
	}
	if resp, _ := get("HEAD", "/timestamp.json", ""); resp.StatusCode != 200 || resp.Header.Get("Cache-Control") != "no-cache" {
		t.Errorf("the timestamp: %s, %s", resp.Status, resp.Header)
	}
	for _, name := range []string{"/", "/targets/", "/targets", "/.lock", "/../keys/root.key", "/%2e%2e/keys/root.key", "/2.root.json", "//timestamp.json"} {
		if resp, _ := get("GET", name, ""); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", name, resp.Status)
		}
	}
	if resp, _ := get("POST", "/timestamp.json", ""); resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %s", resp.Status)
	}
	stop()
	if code := <-ended; code != exitOK {
		t.Errorf("it ended with %d", code)
	}
}

// What programs are made of is in the programs: this one's own modules, twice the same.
func TestBillOfMaterials(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := tool{t, t.TempDir()}
	first, _ := r.run(exitOK, "sbom", "--version", "1.0.0", self)
	r.run(exitOK, "sbom", "--version", "1.0.0", "--out", "$bill", self)
	second, err := os.ReadFile(filepath.Join(r.dir, "bill"))
	if err != nil || first != string(second) {
		t.Errorf("two bills of one program differ, %v", err)
	}
	var b bom
	if err := json.Unmarshal(second, &b); err != nil {
		t.Fatal(err)
	}
	if b.Format != "CycloneDX" || b.Spec != "1.6" || b.Metadata.Component.Version != "1.0.0" {
		t.Errorf("bill %+v", b.Metadata)
	}
	for _, want := range []string{"std", "github.com/klauspost/compress", "golang.org/x/crypto"} {
		if !slices.ContainsFunc(b.Components, func(c component) bool {
			return c.Name == want && c.Version != "" && strings.HasPrefix(c.PURL, "pkg:golang/")
		}) {
			t.Errorf("%s is not in it", want)
		}
	}
	refs := map[string]bool{}
	for _, c := range append(b.Components, b.Metadata.Component) {
		if refs[c.Ref] {
			t.Errorf("%s is there twice", c.Ref)
		}
		refs[c.Ref] = true
	}
	for _, d := range b.Dependencies {
		for _, on := range append(d.On, d.Ref) {
			if !refs[on] {
				t.Errorf("%s is depended on, and is not in it", on)
			}
		}
	}
	r.run(exitFailed, "sbom", "--version", "1", "$bill")
	r.run(exitUsage, "sbom", "--version", "1")
	r.run(exitUsage, "sbom", self)
}
