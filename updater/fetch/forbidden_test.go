package fetch

import (
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"testing"
)

// A store that lets strangers read but not list, as S3 does, answers 403 for what it does not have. What a mirror may lack, the next root and the
// list of what it holds back, is then missing; of everything else it is said how it was refused.
func TestAStoreThatListsNothing(t *testing.T) {
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "AccessDenied", http.StatusForbidden)
	}))
	defer store.Close()
	m, err := New(store.URL, http.DefaultTransport)
	if err != nil {
		t.Fatal(err)
	}
	for name, lacks := range map[string]bool{"2.root.json": true, "hold": true, "timestamp.json": false, "7.snapshot.json": false} {
		_, err := m.Small(t.Context(), name, 100)
		status := (*StatusError)(nil)
		if errors.Is(err, fs.ErrNotExist) != lacks || errors.As(err, &status) == lacks {
			t.Errorf("%s: %v", name, err)
		}
	}
}
