package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path"
	"strings"
	"time"
)

// serveTimes bound what one client may hold; a core on a slow line takes its time.
const (
	headerTime = 10 * time.Second
	answerTime = time.Hour
	endTime    = 10 * time.Second
)

func serveCommand(f *flag.FlagSet) action {
	dir := f.String("dir", "", "`folder` of the repository")
	listen := f.String("listen", "127.0.0.1:8710", "`address` to listen on; :8710 lets others in")
	return func(ctx context.Context, out output) error {
		if _, err := openToRead(*dir); err != nil {
			return err
		}
		l, err := net.Listen("tcp", *listen)
		if err != nil {
			return err
		}
		root, err := os.OpenRoot(*dir)
		if err != nil {
			return errors.Join(err, l.Close())
		}
		defer root.Close()
		out.printf("serving %s at http://%s\nnext: limpet-hub mirror add http://%s; Ctrl-C ends this\n", *dir, l.Addr(), l.Addr())
		return serve(ctx, l, root.FS())
	}
}

// serve hands out the files until ctx ends. What is signed needs no TLS; whoever wants
// it puts a web server before this one, or serves the folder with that alone.
func serve(ctx context.Context, l net.Listener, files fs.FS) error {
	server := &http.Server{Handler: handler(files), ReadHeaderTimeout: headerTime, WriteTimeout: answerTime, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.Background(), endTime)
	defer cancel()
	if server.Shutdown(last) != nil {
		return server.Close() // whoever still fetches goes on later, where it was
	}
	return nil
}

// handler serves files alone, in ranges, too: no lists of folders, nothing whose name
// begins with a dot. All but the timestamp never change under their names.
func handler(files fs.FS) http.Handler {
	plain := http.FileServerFS(files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
		info, err := fs.Stat(files, name)
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
			return
		case err != nil || !info.Mode().IsRegular() || strings.HasPrefix(path.Base(name), ".") || r.URL.Path != "/"+name:
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		if name == "timestamp.json" || name == "hold" {
			w.Header().Set("Cache-Control", "no-cache")
		}
		w.Header().Set("X-Content-Type-Options", "nosniff")
		plain.ServeHTTP(w, r)
	})
}
