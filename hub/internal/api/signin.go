package api

import (
	"errors"
	"net/http"

	"github.com/limpet-monitoring/limpet/hub/internal/journal"
)

// signIn redeems a link. A HEAD, as programs send to look at a link, does not spend it.
func (a *API) signIn(w http.ResponseWriter, r *http.Request) {
	code := r.URL.Query().Get("code")
	if code == "" || r.Method == http.MethodHead {
		a.o.SignInPage(w, http.StatusOK, "")
		return
	}
	session, err := a.guard.redeem(r.Context(), code)
	switch {
	case errors.Is(err, errCode):
		status, problem := http.StatusForbidden, "This link was used already, or is older than ten minutes. Ask for a new one."
		if !a.guard.failures.allow(r.RemoteAddr, a.o.Now()) {
			status, problem = http.StatusTooManyRequests, "Too many links that are not good came from your address. Wait a minute."
		}
		a.o.SignInPage(w, status, problem)
		return
	case err != nil:
		a.o.Log.Error("sign-in link not redeemed", "err", err)
		a.o.SignInPage(w, http.StatusServiceUnavailable, "The hub could not sign you in just now; its log says why.")
		return
	}
	http.SetCookie(w, cookie(session, int(sessionLife.Seconds())))
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func cookie(value string, maxAge int) *http.Cookie {
	return &http.Cookie{Name: cookieName, Value: value, Path: "/", MaxAge: maxAge, HttpOnly: true, Secure: true, SameSite: http.SameSiteStrictMode}
}

func (a *API) createLink(w http.ResponseWriter, r *http.Request, who identity) error {
	if !who.admin {
		return &refusal{http.StatusForbidden, "only the admin key makes sign-in links", "limpet-hub signin --data DIR", nil}
	}
	code, expires, err := a.guard.createCode(r.Context())
	if err != nil {
		return err
	}
	return answer(w, struct {
		URL     string       `json:"url"`
		Expires journal.Time `json:"expires"`
	}{a.o.URL + "/signin?code=" + code, journal.At(expires)})
}

func (a *API) signOut(w http.ResponseWriter, r *http.Request, who identity) error {
	if who.session != "" {
		if err := a.guard.sessions.Delete(r.Context(), who.session); err != nil {
			return err
		}
	}
	http.SetCookie(w, cookie("", -1))
	w.WriteHeader(http.StatusNoContent)
	return nil
}
