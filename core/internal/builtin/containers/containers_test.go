//go:build unix

package containers

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/servers"
)

// serve serves HTTP on a unix socket, as engines do, and gives its path.
func serve(t *testing.T, name string, h http.Handler) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	var both http.Protocols
	both.SetHTTP1(true)
	both.SetUnencryptedHTTP2(true)
	s := &http.Server{Handler: h, Protocols: &both}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return path
}

// What Docker 20.10 and Podman answer, but for what is not read.
const dockerList = `[
 {"Id":"aaaaaaaaaaaaaaaaaaaa","Names":["/web"],"Image":"nginx:1","State":"running","Status":"Up 3 hours (healthy)"},
 {"Id":"bbbbbbbbbbbbbbbbbbbb","Names":["/db"],"Image":"postgres","State":"running","Status":"Up 2 minutes (unhealthy)"},
 {"Id":"cccccccccccccccccccc","Names":["/job"],"Image":"job","State":"exited","Status":"Exited (3) 5 days ago"},
 {"Id":"dddddddddddddddddddd","Names":["/done"],"Image":"job","State":"exited","Status":"Exited (0) 5 days ago"},
 {"Id":"eeeeeeeeeeeeeeeeeeee","Names":["/new"],"Image":"new","State":"running","Status":"Up 2 seconds (health: starting)"},
 {"Id":"ffffffffffffffffffff","Names":[],"Image":"odd","State":"paused","Status":"Up 3 hours (Paused)"}]`

type expectation struct {
	args  string
	state check.State
	text  string
}

func expect(t *testing.T, socket string, all []expectation) {
	t.Helper()
	for _, c := range all {
		got := Run(t.Context(), append([]string{"-s", socket}, strings.Fields(c.args)...))
		if got.State != c.state || !strings.Contains(got.Text, c.text) {
			t.Errorf("%q: %+v, want %s %q", c.args, got, c.state, c.text)
		}
	}
}

func TestDocker(t *testing.T) {
	socket := serve(t, "docker.sock", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.String() != "/containers/json?all=1" {
			http.Error(w, "no such page", 404)
			return
		}
		io.WriteString(w, dockerList)
	}))
	expect(t, socket, []expectation{
		{"", check.Critical, "CONTAINERS CRITICAL - 3 of 6 containers running: db is running and unhealthy (Up 2 minutes (unhealthy)), ffffffffffff is paused"},
		{"-x db", check.Warning, "ffffffffffff is paused"},
		{"-x db -x f*", check.OK, "2 of 4 containers running"},
		{"-n web", check.OK, "1 of 1 containers running"},
		{"-n web -n nothing", check.Critical, "nothing does not exist"},
		{"-n job", check.Critical, "job is exited with exit code 3"},
		{"-n job --stopped-ok", check.Critical, "exit code 3"},
		{"-n done", check.Critical, "done is exited with exit code 0"},
		{"-n done --stopped-ok", check.OK, ""},
		{"-n new", check.Warning, "new is running and starting"},
		{"-n w* -c 2:", check.Critical, "1 of 1"},
	})
}

// What Podman 4.3 answers: how a container is stands in its own API alone.
func TestPodman(t *testing.T) {
	socket := serve(t, "podman.sock", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Libpod-Api-Version", "4.3.1")
		switch r.URL.String() {
		case "/containers/json?all=1":
			io.WriteString(w, `[{"Id":"a0","Names":["/sick"],"State":"running","Status":"Up 1 second"},{"Id":"a1","Names":["/web"],"State":"running","Status":"Up 3 hours"},
				{"Id":"a2","Names":["/job"],"State":"exited","Status":"Exited (3) 5 days ago"}]`)
		case "/v4.0.0/libpod/containers/json?all=true":
			io.WriteString(w, `[{"Names":["sick"],"State":"running","Status":"unhealthy"},{"Names":["web"],"State":"running","Status":""},{"Names":["job"],"State":"exited","Status":""}]`)
		default:
			http.Error(w, "no such page", 404)
		}
	}))
	expect(t, socket, []expectation{
		{"", check.Critical, "2 of 3 containers running: sick is running and unhealthy (Up 1 second)"},
		{"-n web", check.OK, "1 of 1 containers running"},
		{"-n job", check.Critical, "job is exited with exit code 3"},
	})
	old := serve(t, "old.sock", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Libpod-Api-Version", "1.0.0")
		if r.URL.Path != "/containers/json" {
			http.Error(w, "no such page", 404)
			return
		}
		io.WriteString(w, `[]`)
	}))
	expect(t, old, []expectation{{"", check.Critical, "The engine answers 404"}})
}

func TestDockerThatDoesNotAnswerWell(t *testing.T) {
	expect(t, serve(t, "a.sock", http.NotFoundHandler()), []expectation{{"", check.Critical, "The engine answers 404 Not Found"}})
	expect(t, serve(t, "b.sock", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<html>") })), []expectation{{"", check.Critical, "makes no sense"}})
	expect(t, filepath.Join(t.TempDir(), "none.sock"), []expectation{{"", check.Critical, "No such file or directory"}})
	hung := serve(t, "c.sock", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	servers.InTime(t, func(ctx context.Context) {
		if got := Run(ctx, []string{"-s", hung}); got.State != check.Critical {
			t.Errorf("%+v", got)
		}
	})
}

// field writes one field of a message.
func field(b []byte, n protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, n, protowire.BytesType), value)
}

func varint(b []byte, n protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, n, protowire.VarintType), v)
}

// containerd answers as containerd 1.7 does (api/services/{namespaces,containers,tasks}/v1).
func containerd(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", "application/grpc")
	w.Header().Set("Trailer", "Grpc-Status, Grpc-Message")
	if r.ProtoMajor != 2 || r.Method != "POST" || r.Header.Get("Te") != "trailers" || r.Header.Get("Content-Type") != "application/grpc" || string(body) != "\x00\x00\x00\x00\x00" {
		w.WriteHeader(400)
		return
	}
	ns := r.Header.Get("Containerd-Namespace")
	var out []byte
	one := func(id, image string, labels ...string) []byte {
		b := field(nil, 1, []byte(id))
		for i := 0; i < len(labels); i += 2 {
			b = field(b, 2, field(field(nil, 1, []byte(labels[i])), 2, []byte(labels[i+1])))
		}
		return field(b, 3, []byte(image))
	}
	task := func(id string, state, exit uint64) []byte {
		return varint(varint(varint(field(nil, 1, []byte(id)), 3, 4711), 4, state), 9, exit)
	}
	switch r.URL.Path {
	case "/containerd.services.namespaces.v1.Namespaces/List":
		for _, name := range []string{"default", "k8s.io"} {
			out = field(out, 1, field(nil, 1, []byte(name)))
		}
	case "/containerd.services.containers.v1.Containers/List":
		if ns == "k8s.io" {
			out = field(out, 1, one("0123", "app:1@sha256:00", "io.kubernetes.pod.name", "pod-1", "io.kubernetes.container.name", "app"))
		} else {
			out = field(out, 1, one("web", "nginx"))
			out = field(out, 1, one("idle", "nginx"))
			out = field(out, 1, one("dead", "nginx"))
		}
	case "/containerd.services.tasks.v1.Tasks/List":
		if ns == "k8s.io" {
			out = field(out, 1, task("0123", 2, 0))
		} else {
			out = field(out, 1, task("web", 2, 0))
			out = field(out, 1, task("dead", 3, 137))
		}
	default:
		w.Header().Set("Grpc-Status", "12")
		return
	}
	w.Write(append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(out))), out...))
	w.Header().Set("Grpc-Status", "0")
}

func TestContainerd(t *testing.T) {
	socket := serve(t, "containerd.sock", http.HandlerFunc(containerd))
	expect(t, socket, []expectation{
		{"", check.OK, "2 of 4 containers running"},
		{"-n pod-1/app -n web", check.OK, "2 of 2 containers running"},
		{"-n dead", check.Critical, "dead is stopped with exit code 137"},
		{"-n idle", check.Critical, "idle is stopped"},
		{"--namespace k8s.io", check.OK, "1 of 1"},
	})
	refused := serve(t, "x.sock", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Grpc-Status", "7")
		w.Header().Set("Grpc-Message", "not for you")
	}))
	expect(t, refused, []expectation{{"-e containerd", check.Critical, "not for you"}, {"-e docker", check.Critical, "makes no sense"}})
}

func FuzzFields(f *testing.F) {
	f.Add(varint(field(nil, 1, []byte("x")), 4, 2))
	f.Fuzz(func(t *testing.T, b []byte) {
		parseContainer(b)
		taskState(b)
		parseDocker(b)
	})
}
