package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// ticks is how many checks of one second are added to measure the gap.
const ticks = 5

// tickEvery is the interval of those checks.
const tickEvery = time.Second

// hub is the hub's interface for programs, docs/api.md.
type hub struct {
	url    string
	key    string
	client *http.Client
}

// agentView is what is read of an Agent.
type agentView struct {
	Presence    string `json:"presence"`
	Cause       string `json:"cause"`
	CoreVersion string `json:"core_version"`
	CoreHash    string `json:"core_hash"`
}

// resultView is what is read of a Result.
type resultView struct {
	Check   string    `json:"check"`
	Start   time.Time `json:"start"`
	Trigger string    `json:"trigger"`
	Epoch   string    `json:"epoch"`
	Seq     uint64    `json:"seq"`
}

// dial reads where the hub is from its data folder. Its certificate is its own and the agent checks it; here only answers on loopback matter.
func dial(data string) (*hub, error) {
	addr, err := os.ReadFile(filepath.Join(data, "hub.addr"))
	if err != nil {
		return nil, fmt.Errorf("no hub below %s; start `make run` in another terminal first", data)
	}
	key, err := os.ReadFile(filepath.Join(data, "admin.key"))
	if err != nil {
		return nil, err
	}
	where, _, _ := strings.Cut(string(addr), "\n") // the address for people; the next line is what it listens on
	return &hub{
		url: strings.TrimSpace(where) + "/api/v1", key: strings.TrimSpace(string(key)),
		client: &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}},
	}, nil
}

func (h *hub) do(ctx context.Context, method, path string, body []byte, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, h.url+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+h.key)
	resp, err := h.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, bytes.TrimSpace(text))
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(text, into)
}

func (h *hub) agent(ctx context.Context, finger string) (a agentView, err error) {
	err = h.do(ctx, http.MethodGet, "/agents/"+finger, nil, &a)
	return a, err
}

func (h *hub) look(ctx context.Context, finger string) error {
	return h.do(ctx, http.MethodPost, "/agents/"+finger+"/look", nil, nil)
}

// results are the newest runs of a check, newest first.
func (h *hub) results(ctx context.Context, finger, check string) (list []resultView, err error) {
	err = h.do(ctx, http.MethodGet, "/agents/"+finger+"/checks/"+url.PathEscape(check)+"/results?limit=100", nil, &list)
	return list, err
}

func tick(i int) string { return fmt.Sprintf("demo-tick-%d", i+1) }

// addTicks adds the checks that measure, to what the hub has, and returns what takes them back.
func (h *hub) addTicks(ctx context.Context) (restore func() error, err error) {
	var was struct{ Text string }
	if err := h.do(ctx, http.MethodGet, "/desired", nil, &was); err != nil {
		return nil, err
	}
	text := withTicks(was.Text)
	if text == "" {
		return nil, fmt.Errorf("the hub's checks have no block \"checks:\" to add to; try with the checks of a new `make run`")
	}
	if err := h.do(ctx, http.MethodPut, "/desired", []byte(text), nil); err != nil {
		return nil, fmt.Errorf("add the checks that measure the gap: %w", err)
	}
	return func() error {
		return h.do(context.WithoutCancel(ctx), http.MethodPut, "/desired", []byte(withoutTicks(text)), nil)
	}, nil
}

// mark stands before and behind what is added.
const mark = "# added by make demo-update; taken away when it ends\n"

// withTicks puts the checks behind the line "checks:", or at the end where there is none; "" when neither can be.
func withTicks(text string) string {
	text = withoutTicks(text)
	before, after, block := strings.Cut("\n"+text, "\nchecks:\n")
	indent := "  "
	if block {
		indent = after[:len(after)-len(strings.TrimLeft(after, " "))] // items of one list stand in one column
	}
	var added strings.Builder
	added.WriteString(mark)
	for i := range ticks {
		fmt.Fprintf(&added, "%s- {name: %s, builtin: uptime, every: %s}\n", indent, tick(i), tickEvery)
	}
	added.WriteString(mark)
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	if !strings.Contains("\n"+text, "\nchecks:") {
		return text + mark + "checks:\n" + strings.TrimPrefix(added.String(), mark)
	}
	if !block {
		return ""
	}
	return strings.TrimPrefix(before+"\nchecks:\n", "\n") + added.String() + after
}

// withoutTicks takes them away again, also those that a killed demo left.
func withoutTicks(text string) string {
	before, rest, ok := strings.Cut(text, mark)
	if !ok {
		return text
	}
	_, after, ok := strings.Cut(rest, mark)
	if !ok {
		return text
	}
	return before + after
}
