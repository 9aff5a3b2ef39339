package repo_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/platforms/fsys/crashdisk"
	"github.com/limpet-monitoring/limpet/signing/repo"
)

// FuzzRequestFiles: whatever stands in a request's own file, in a paper or in a signature, a request that is opened is still
// short of every signature that its keyholders have not given.
func FuzzRequestFiles(f *testing.F) {
	people, online := draw(f, 6), draw(f, 1)[0]
	dir, folder := f.TempDir(), filepath.Join(f.TempDir(), "request")
	company(f, dir, people[:3], online)
	r, err := repo.Open(fsys.Disk{}, dir, hands{})
	if err == nil {
		_, err = r.Grant("stable", grant(1, people[5]), nil)
	}
	if err == nil {
		err = r.WriteRequest(fsys.Disk{}, folder, "nothing of note", noon)
	}
	if err != nil {
		f.Fatal(err)
	}
	files := map[string][]byte{}
	err = filepath.WalkDir(folder, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		short, _ := filepath.Rel(folder, name)
		files[filepath.Join("/request", short)] = data
		return err
	})
	if err != nil {
		f.Fatal(err)
	}
	request, paper, signature := "/request/request.json", "/request/sign/2.targets.json", "/request/signatures/a.json"
	if files[request] == nil || files[paper] == nil {
		f.Fatalf("a request has other files: %v", len(files))
	}
	f.Add(files[request], []byte{}, []byte{})
	f.Add([]byte{}, files[paper], []byte(`{"role":"targets","version":2,"keyid":"","signature":"00"}`))
	f.Add([]byte(`{"format":1,"papers":["../x"],"made":"2030-05-01T12:00:00Z"}`), []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, req, pap, sig []byte) {
		disk := crashdisk.New()
		put := func(name string, data []byte) {
			if err := disk.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := fsys.WriteNew(disk, name, data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		for name, data := range files {
			put(name, data)
		}
		for name, data := range map[string][]byte{request: req, paper: pap, signature: sig} {
			if len(data) > 0 {
				put(name, data)
			}
		}
		q, err := repo.OpenRequest(disk, "/request")
		if err == nil && len(q.Roles()) > 0 && len(q.Lacks()) == 0 {
			t.Fatalf("nothing lacks of %v, and nobody has signed", q.Roles())
		}
	})
}
