// Command demo is `make run`: a release repository with development keys, a hub and one agent on this machine, all of it
// below .run/ and none of it as root. It only starts the built programs and says what to try; Ctrl-C stops them in order.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	listen := os.Getenv("LIMPET_RUN_LISTEN")
	if listen == "" {
		listen = "127.0.0.1:8700"
	}
	dir := os.Getenv("LIMPET_RUN_DIR")
	if dir == "" {
		dir = ".run"
	}
	d := demo{bin: "bin", dir: dir, listen: listen, out: os.Stdout}
	err := d.run(ctx)
	if ctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled)) {
		fmt.Println("\nstopped; `make run` carries on from here, `rm -r " + filepath.Clean(dir) + "` forgets it all")
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}
