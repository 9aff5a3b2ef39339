package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/agent"
	"github.com/limpet-monitoring/limpet/core/internal/local"
	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing/trust"
)

const (
	enrolTime    = time.Minute     // for the hub to have taken the box in
	enrolAsk     = 6 * time.Second // of it, one answer of the core's
	maxTokenText = 4 << 10         // bytes
)

// enrol is `limpet enrol`: it puts a token where the core finds it, and has it shown to the hub. Identity and buffer stay what they are.
func enrol(ctx context.Context, layout platforms.Layout, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	file := ""
	switch {
	case len(args) == 0:
	case len(args) == 2 && args[0] == "--token-file":
		file = args[1]
	default: // it is not repeated: it may be a token
		fmt.Fprintln(stderr, "error: enrol takes no argument but --token-file FILE\nhint: a token comes by --token-file FILE (- reads it from standard input) or LIMPET_TOKEN, never on the command line, where everybody on the box could read it")
		return exitUsage
	}
	text, err := tokenText(file, stdin)
	if err != nil {
		return fail(stderr, err, "on the hub: limpet-hub token create")
	}
	if err := fsys.WriteNew(fsys.Disk{}, layout.Token(), []byte(text+"\n"), 0o600); err != nil {
		return fail(stderr, fmt.Errorf("put the token in place: %w", err), "run it as the user of the agent (root)")
	}
	return showToken(ctx, layout, stdout, stderr)
}

// tokenText is what the caller gives, as it is kept: a token that holds together.
func tokenText(file string, stdin io.Reader) (string, error) {
	text := os.Getenv("LIMPET_TOKEN")
	switch file {
	case "":
		if text == "" {
			return "", errors.New("no token: neither --token-file nor LIMPET_TOKEN")
		}
	case "-":
		data, err := io.ReadAll(io.LimitReader(stdin, maxTokenText))
		if err != nil {
			return "", fmt.Errorf("read the token: %w", err)
		}
		text = string(data)
	default:
		data, err := fsys.Read(fsys.Disk{}, file, maxTokenText)
		if err != nil {
			return "", fmt.Errorf("read the token: %w", err)
		}
		text = string(data)
	}
	text = strings.TrimSpace(text)
	if _, err := trust.ParseToken(text); err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	return text, nil
}

// showToken asks the running core again and again until it says what came of the token.
func showToken(ctx context.Context, layout platforms.Layout, stdout, stderr io.Writer) int {
	ctx, cancel := context.WithTimeout(ctx, enrolTime)
	defer cancel()
	for ctx.Err() == nil {
		ask, done := context.WithTimeout(ctx, enrolAsk)
		answer, err := local.Ask(ask, layout.Socket(), agent.EnrolQuestion)
		done()
		if noCore := (*os.PathError)(nil); errors.As(err, &noCore) || errors.Is(err, os.ErrNotExist) {
			fmt.Fprintln(stdout, "the agent does not run: it shows the token when it starts")
			return 0
		}
		if err != nil {
			return fail(stderr, err, "")
		}
		if text := strings.TrimSpace(string(answer)); text != agent.EnrolWaiting {
			fmt.Fprintln(stdout, check.Shown(text))
			return 0
		}
	}
	return fail(stderr, errors.New("the hub has not answered within a minute"), "the agent goes on trying with this token; limpet doctor says what stands between")
}
