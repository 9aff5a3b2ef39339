package main

import (
	"fmt"
	"math/bits"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

const contractPage = "../docs/stub-contract.md"

// spelled is a time as the contract spells it.
func spelled(d time.Duration) string {
	n, unit := float64(d)/float64(time.Second), "s"
	switch {
	case d >= time.Hour:
		n, unit = d.Hours(), "h"
	case d >= 5*time.Minute && d%time.Minute == 0:
		n, unit = d.Minutes(), "min"
	case d < time.Second:
		n, unit = float64(d.Milliseconds()), "ms"
	}
	return strconv.FormatFloat(n, 'f', -1, 64) + " " + unit
}

// TestNumbersOfTheContract: the page is append-only, and cores rely on the times, bounds and bits that it names.
func TestNumbersOfTheContract(t *testing.T) {
	data, err := os.ReadFile(contractPage)
	if err != nil {
		t.Fatal(err)
	}
	page := strings.ReplaceAll(string(data), "\n", " ")
	for _, want := range []string{
		"| `ready` missing | " + spelled(readyTime) + " after the start",
		"| `alive` missing | " + spelled(aliveTime) + " (three of 5 s)",
		"| looking | every " + spelled(tick) + " at least",
		"or within " + spelled(calmTick) + " |",
		"| stub itself ran late | a look more than " + spelled(late) + " late",
		"| backoff | " + spelled(firstWait) + ", doubling to " + spelled(mostWait),
		"back to 250 ms after " + spelled(healthTime) + " of health",
		"| `stop` | " + spelled(stopTime) + ", then killed",
		"One line is at most " + grouped(lineSize) + " bytes with its `\\n`",
		"more than " + strconv.Itoa(lineRate) + " lines in a second",
		"| good is ready before a trial starts | " + spelled(settleTime) + ", or the soak if shorter",
		"| `checks` of a trial after its `ready` | " + spelled(aliveTime),
		"| `handover` after `drain` | " + spelled(handTime) + ",",
		"finish what runs within SECONDS (" + strconv.Itoa(int(drainTime/time.Second)) + ")",
		"| a core that drains | " + strconv.Itoa(int(drainTime/time.Second)) + " s, then killed",
		"| between two starts of a trial | " + spelled(firstTryWait) + " (the soak if shorter), doubling, at most " + spelled(mostTryWait),
		"| a check broken under the trial | " + spelled(breakTime) + ", or at the end of the soak",
		"| only the session broken | the soak is prolonged by up to " + spelled(sessionTime),
		"| what broke holds again under good | within " + spelled(judgeTime) + ": a verdict",
		"| `state/lock` held by a core of an earlier stub | " + spelled(holderTime) + ",",
		"| demotion | three verdicts in " + spelled(verdictAge) + ",",
		fmt.Sprintf("bit 0 is the lowest: %d config, %d schedule, 2 buffer, %d session", bits.TrailingZeros(basicBits), bits.TrailingZeros(scheduleBit), bits.TrailingZeros(sessionBit)),
		"At the start, every " + strings.Replace(spelled(lookEvery), " min", " min (development roots: every "+strconv.Itoa(int(lookEveryDev.Minutes()))+")", 1),
		"on `reload`, and every " + spelled(askAgain),
		"or is not done after " + spelled(partTime) + ",",
		"The last " + strconv.Itoa(maxTail>>10) + " KiB of the log since its start",
		"the words, a newline; at most " + strconv.Itoa(maxRequest>>10) + " KiB)",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the contract does not say %q", want)
		}
	}
}

// grouped is a number as the contract spells it.
func grouped(n int) string {
	text := strconv.Itoa(n)
	if len(text) > 3 {
		text = text[:len(text)-3] + "," + text[len(text)-3:]
	}
	return text
}
