package platforms

import (
	"runtime"
	"sync"
)

// ReserveThreads makes so many threads now, which Go's runtime keeps and uses when it needs one: where the box has no room for another process or
// thread, it ends a process that cannot have the next (docs/decisions/121-reserved-threads.md).
func ReserveThreads(n int) {
	var there, gone sync.WaitGroup
	there.Add(n)
	release := make(chan struct{})
	for range n {
		gone.Go(func() {
			runtime.LockOSThread() // one that is locked has its thread to itself
			defer runtime.UnlockOSThread()
			there.Done()
			<-release
		})
	}
	there.Wait()
	close(release)
	gone.Wait()
}
