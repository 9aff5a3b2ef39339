package main

import (
	"slices"
	"time"
)

// alarms are the warnings that hold now, one a word but for those of the metadata, in the order in
// which they came up.
type alarms struct{ list []warning }

// set reports whether that is news.
func (a *alarms) set(word, text string) bool {
	for i := range a.list {
		if a.list[i].word == word {
			news := a.list[i].text != text
			a.list[i].text = text
			return news
		}
	}
	a.list = append(a.list, warning{word, text})
	return true
}

func (a *alarms) clear(words ...string) {
	a.list = slices.DeleteFunc(a.list, func(w warning) bool { return slices.Contains(words, w.word) })
}

// replace takes away all warnings with one of these words, adds others, and returns those of them that
// did not hold before.
func (a *alarms) replace(words []string, with []warning) (news []warning) {
	for _, w := range with {
		if !slices.Contains(a.list, w) {
			news = append(news, w)
		}
	}
	a.clear(words...)
	a.list = append(a.list, with...)
	return news
}

// metadataWords are the warnings that a verdict brings anew.
var metadataWords = []string{"expired", "expires-soon", "clock-or-freeze", "stale", "skipped", "development", "metadata", "clock-behind"}

// alarms are the verdict's warnings. timeFloor is a time that has surely passed, in Unix seconds.
func (v verdict) alarms(timeFloor int64) []warning {
	if v.refused != "" {
		return []warning{{"metadata", "the stored metadata is refused: " + v.refused}}
	}
	list := slices.Clone(v.warnings)
	if v.development {
		list = append(list, warning{"development", "the releases are signed with development keys: not for production"})
	}
	const tolerated = 24 * time.Hour
	if passed := time.Unix(max(timeFloor, v.issued), 0); time.Until(passed) > tolerated {
		list = append(list, warning{"clock-behind", "the clock is behind: it must be later than " + passed.UTC().Format(time.DateOnly)})
	}
	return list
}

// rest gives back, at the first tick after it, what the last bit of work needed: from here on the stub
// mostly waits.
func (s *supervisor) rest() {
	if !s.worked {
		s.machine.tidy()
		return
	}
	s.worked = false
	s.machine.shrink()
}
