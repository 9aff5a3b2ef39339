package containers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/limpet-monitoring/limpet/core/internal/builtin/reach"
)

// docker asks Docker's API, in the version that every engine still speaks (without one in the path it is the engine's own). Podman's answer to that does not say how
// the containers are; its own API does.
func (o options) docker(ctx context.Context) ([]container, error) {
	client := &http.Client{Transport: &http.Transport{DialContext: o.dial, DisableKeepAlives: true}}
	body, header, err := ask(ctx, client, "/containers/json?all=1")
	if err != nil {
		return nil, err
	}
	list, err := parseDocker(body)
	if err != nil || header.Get("Libpod-Api-Version") == "" {
		return list, err
	}
	if body, _, err = ask(ctx, client, "/v"+podmanAPI+"/libpod/containers/json?all=true"); err != nil {
		return nil, err
	}
	return list, noteHealth(list, body)
}

// podmanAPI is the version of Podman's API that is asked: the first that has a container's health, which later ones still speak.
const podmanAPI = "4.0.0"

// ask asks an engine.
func ask(ctx context.Context, client *http.Client, path string) ([]byte, http.Header, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://docker"+path, nil)
	if err != nil {
		return nil, nil, err
	}
	answer, err := client.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxRead+1))
	if err != nil {
		return nil, nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("the engine answers %s: %s", answer.Status, reach.OneLine(string(body), 200))
	}
	if len(body) > maxRead {
		return nil, nil, errors.New("the engine's answer is too long")
	}
	return body, answer.Header, nil
}

// noteHealth puts into a list what Podman's own answer says of its containers' health.
func noteHealth(list []container, body []byte) error {
	var raw []struct {
		Names  []string
		Status string
	}
	if err := json.Unmarshal(body, &raw); err != nil {
		return fmt.Errorf("the engine's answer makes no sense: %w", err)
	}
	of := map[string]string{}
	for _, x := range raw {
		if len(x.Names) > 0 {
			of[x.Names[0]] = x.Status
		}
	}
	for i, c := range list {
		switch h := of[c.name]; h {
		case "healthy", "unhealthy", "starting":
			list[i].health = h
		}
	}
	return nil
}

func parseDocker(body []byte) ([]container, error) {
	var raw []struct {
		ID     string `json:"Id"`
		Names  []string
		Image  string
		State  string
		Status string
	}
	if err := json.Unmarshal(body, &raw); err != nil {
		return nil, fmt.Errorf("the engine's answer makes no sense: %w", err)
	}
	if len(raw) > maxContainers {
		return nil, fmt.Errorf("more than %d containers", maxContainers)
	}
	var list []container
	for _, x := range raw {
		c := container{name: x.ID[:min(12, len(x.ID))], image: x.Image, state: strings.ToLower(x.State), note: x.Status, exit: -1}
		if len(x.Names) > 0 {
			c.name = strings.TrimPrefix(x.Names[0], "/")
		}
		if c.state == "" {
			c.state = "unknown"
		}
		c.health = health(x.Status)
		if after, ok := strings.CutPrefix(x.Status, "Exited ("); ok {
			code, _, _ := strings.Cut(after, ")")
			if n, err := strconv.Atoi(code); err == nil {
				c.exit = n
			}
		}
		list = append(list, c)
	}
	return list, nil
}

// health reads it from the end of a status: "Up 3 hours (healthy)", "Up 2 seconds (health: starting)".
func health(status string) string {
	switch {
	case strings.HasSuffix(status, "(healthy)"):
		return "healthy"
	case strings.HasSuffix(status, "(unhealthy)"):
		return "unhealthy"
	case strings.HasSuffix(status, "(health: starting)"), strings.HasSuffix(status, "(starting)"):
		return "starting"
	}
	return ""
}
