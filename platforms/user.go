package platforms

// fetcherName is the user with few rights that an installer makes for limpet-fetch.
const fetcherName = "limpet-fetch"

// Fetcher is the user that limpet-fetch, `limpet-core patch` and `limpet verify` run as, nil where there is
// none. Below --root nobody else's rights are used: that user might not even reach the folder.
func Fetcher(l Layout) *User {
	if l.Root != "" {
		return nil
	}
	u, _ := LookUpUser(fetcherName)
	return u
}
