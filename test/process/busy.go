package process

import "runtime"

// KeepBusy has four times as many threads want CPU as there are CPUs, and does not return.
func KeepBusy() {
	threads := 4 * runtime.NumCPU()
	runtime.GOMAXPROCS(threads)
	for range threads {
		go func() {
			for n := 0; ; n++ {
				runtime.KeepAlive(n)
			}
		}()
	}
	select {}
}
