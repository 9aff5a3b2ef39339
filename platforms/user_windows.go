package platforms

// LookUpUser finds nobody: rights are taken away by other means on Windows.
func LookUpUser(string) (*User, bool) { return nil, false }
