#!/usr/bin/env bash
# clang, BPF, and an atomic addition of 0, which is a way to write a full memory barrier.
#
# One would guess: `__sync_fetch_and_add(p, 0)` whose result nobody uses becomes BPF's oldest atomic instruction, the addition
# that returns nothing (BPF_XADD, in all kernels that have BPF in this form), as an addition of any other number does; or
# nothing at all.
#
# What happens: it becomes an OR of 0. Kernels have atomic OR from Linux 5.12 on (commit 981f94c3e921). Older ones refuse
# the whole program, with "BPF_STX uses reserved fields", even if the instruction stands where the program never comes.
# An addition of a number that the compiler does not know stays an addition.
#
# Seen with clang 19.1.7-3~deb12u1 (Debian 12, amd64) on 2026-11-29; refused by Linux 5.10.
set -euo pipefail

version='1:19.1.7-3~deb12u1'
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

packages=("clang-19=$version" "libclang-cpp19=$version" "libllvm19=$version" libedit2=3.1-20221030-2 libz3-4=4.8.12-3.1
	libbsd0=0.11.7-2 libmd0=1.0.4-2)
apt-get -qq -o APT::Sandbox::User=root download "${packages[@]}" >/dev/null
for package in ./*.deb; do dpkg -x "$package" root; done
export LD_LIBRARY_PATH=$dir/root/usr/lib/x86_64-linux-gnu:$dir/root/usr/lib/llvm-19/lib
clang=root/usr/lib/llvm-19/bin/clang
"$clang" --version | head -n 1

cat >atomics.c <<'EOF'
void add_zero(unsigned *p) { __sync_fetch_and_add(p, 0); }
void add_any(unsigned *p, unsigned n) { __sync_fetch_and_add(p, n); }
EOF
seen=$("$clang" -target bpf -mcpu=v3 -O2 -S atomics.c -o - | grep -oE '^add_[a-z]+:|lock .*')
echo "$seen"

want='add_zero:
lock *(u32 *)(r1 + 0) |= w2
add_any:
lock *(u32 *)(r1 + 0) += w2'
if [[ $seen != "$want" ]]; then
	echo "This has changed. It was:"
	echo "$want"
	exit 1
fi
