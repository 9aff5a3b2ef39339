//go:build linux

package containers

import (
	"os"
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/core/check"
)

// ofDocker are the containers that scripts/test-engines.sh makes in Docker, and but for one in Podman.
var ofDocker = []expectation{
	{"-n web -n well", check.OK, "2 of 2 containers running"},
	{"-n new", check.Warning, "new is running and starting"},
	{"-n sick", check.Critical, "sick is running and unhealthy"},
	{"-n job", check.Critical, "job is exited with exit code 3"},
	{"-n done", check.Critical, "done is exited with exit code 0"},
	{"-n done --stopped-ok", check.OK, "0 of 1 containers running"},
	{"-n made", check.Critical, "made is created"},
	{"-n held", check.Warning, "held is paused"},
	{"-n none", check.Critical, "none does not exist"},
	{"-x sick -x held -x again", check.OK, "3 of 6 containers running"},
}

var ofEngine = map[string][]expectation{
	"docker": append([]expectation{
		{"-n again", check.Critical, "again is restarting"},
		{"", check.Critical, "4 of 9 containers running"},
	}, ofDocker...),
	"podman": append([]expectation{
		{"", check.Critical, "4 of 8 containers running"},
	}, ofDocker...),
	"containerd": {
		{"--namespace limpet-test", check.Warning, "2 of 5 containers running: held is paused"},
		{"--namespace limpet-test -n web -n front/app", check.OK, "2 of 2 containers running"},
		{"--namespace limpet-test -n job", check.Critical, "job is stopped with exit code 3"},
		{"--namespace limpet-test -n made", check.Critical, "made is stopped"},
		{"--namespace none", check.OK, "0 of 0 containers running"},
		{"--namespace moby", check.Warning, "containers running"}, // what Docker started by it
		{"-e docker", check.Critical, ""},
	},
}

// TestEngines holds the check against the engines themselves.
func TestEngines(t *testing.T) {
	for engine, all := range ofEngine {
		t.Run(engine, func(t *testing.T) {
			socket := os.Getenv("LIMPET_TEST_" + strings.ToUpper(engine))
			if socket == "" {
				t.Skip("make test-engines starts it")
			}
			expect(t, socket, all)
		})
	}
}
