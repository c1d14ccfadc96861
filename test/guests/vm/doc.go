// Package vm boots a distribution's kernel on a machine that QEMU emulates, lets the guest run
// commands and brings back what they print, how they end and what they leave in /out.
//
// The guest is a kernel and an initramfs: the init of this repository, the files that the caller
// names, kernel modules, and nothing else. There is no shell.
//
// Facts behind the choices, found by trying unless a source is named:
//   - Everything is emulated. CPU-bound code is 8 to 25 times slower than on the host, and no
//     timing that is taken in a guest means anything by itself.
//   - QEMU 7.2 (Debian 12) computes flags wrongly after cmpxchg16b, which the slab allocator
//     uses (this_cpu_cmpxchg16b): kernels from 6.12 on panic at random, in up to one boot of
//     five. Without that instruction (-cpu ...,-cx16) they boot, but kmalloc_nolock() yields
//     NULL, and with it bpf_timer on 6.18 and socket storage on 7.x.
//   - BPF programs that are attached through perf need CAP_SYS_ADMIN since the fix of
//     CVE-2025-38466, which the stable kernels have, too. Tasks are root, so this does not show.
//   - On arm64, trampolines attach from 6.4 on; before, they load and attaching fails with
//     ENOTSUPP, the kernel's 524.
package vm
