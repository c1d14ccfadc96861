package tlslib

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
)

// TestSites tries the analysis on code that is written for it. The bytes are x86-64.
func TestSites(t *testing.T) {
	const ret = "c3"
	tests := []struct {
		name, code string
		want       string // entry; exits, or why there are none
	}{
		{"push", "55 " + ret, "0 emulated; 1"},
		{"endbr64, then push", "f30f1efa 55 " + ret, "4 emulated; 5"},
		{"sub, then push", "4883ec08 55 " + ret, "4 emulated; 5"},
		{"an argument is changed before the push", "31ff 55 31c0 " + ret, "0; 5"},
		{"nothing is emulated", "31c0 " + ret, "0; 2"},
		{"a nop with a prefix is emulated by some kernels", "f390 31ff " + ret, "0; 4"},
		// 0: nop5; 5: push; 6: dec ecx; 8: jne 5
		{"a jump back to the push", "0f1f440000 55 ffc9 75fb " + ret, "0; 10"},
		// 0: push; 1: dec ecx; 3: jne 0
		{"a jump back to the beginning", "55 ffc9 75fb " + ret, "a jump back to its beginning"},
		{"a prefix that kernels refuse", "2e31c0 " + ret, "no instruction at its beginning takes a probe"},
		{"the branch is the entry already", "b801000000 85ff 7401 c3 c3", "7 emulated; 9 10"},
		// 0: xor edi, edi; 2: mov eax, 1; 7: test edi, edi; 9: je 12; 11: ret; 12: ret
		{"one branch stands for two returns", "31ff b801000000 85ff 7401 c3 c3", "0; 9 emulated"},
		// as before, with a jump to the second return
		{"a branch and a jump stand for the same return", "31ff b801000000 85ff 7401 c3 eb00 c3", "0; 9 emulated"},
		// as before, but the second return has another result
		{"the result changes behind the branch", "31ff b801000000 85ff 7401 c3 31c0 c3", "0; 11 14"},
		// 0: test edi, edi; 2: je 6; 4: jmp 8; 6: mov eax, ebx; 8: ret
		{"another branch comes in between", "85ff 7402 eb02 89d8 c3", "2 emulated; 8"},
		// 0: xor eax, eax; 2: dec ecx; 4: jne 2; 6: ret
		{"a branch that comes again", "31c0 ffc9 75fc c3", "0; 6"},
		{"a tail call", "85ff 7401 c3 e900100000", "2 emulated; a jump out of the function"},
		{"an indirect jump", "85ff 7401 c3 ffe0", "2 emulated; an indirect jump"},
		{"code that nobody knows", "85ff 7401 c3 0f04", "2 emulated; an instruction that is not known"},
		{"an end that is no return", "85ff 7401 c3 90", "2 emulated; an end that is no return"},
		// 0: test edi, edi; 2: je 1
		{"a jump into an instruction", "85ff 74fd c3", "0; a jump into an instruction"},
		{"a call of what does not return", "85ff 7401 c3 e800100000", "2 emulated; 4"},
		{"the same, with the branch final", "31c0 85ff 7401 c3 e800100000", "4 emulated; 6"},
		// 0: mov eax, ebx; 2: mov rdx, [rsp+8]; 7: sub rdx, fs:0x28; 16: jne 19; 18: ret; 19: call
		{"the stack protector of GCC", "89d8 488b542408 64482b142528000000 7501 c3 e800100000", "0; 16 emulated"},
		// 0: mov rdx, fs:0x28; 9: cmp rdx, [rsp+8]; 14: jne 17; 16: ret; 17: call; 22: ret
		{"the stack protector of Clang", "64488b142528000000 483b542408 7501 c3 e800100000 c3", "0; 14 emulated"},
		// 0: mov eax, ebx; 2: sub rdx, fs:0x20; 11: jne 14; 13: ret; 14: call; 19: ret
		{"something like a stack protector", "89d8 64482b142520000000 7501 c3 e800100000 c3", "0; 13 19"},
		// 0: xor edi, edi; 2: mov eax, ebx; 4: jmp 8; 6: xor eax, eax; 8: ret
		{"a jump alone", "31ff 89d8 eb02 31c0 c3", "0; 4 emulated"},
		// the same, with a branch that may pass over it: 0: test esi; 2: je 8; 4: mov; 6: jmp 10; 8: xor; 10: ret
		{"a jump that is passed over", "85f6 7404 89d8 eb02 31c0 c3", "2 emulated; 10"},
		{"no return", "55 0f0b", "0 emulated; no return"},
	}
	m := isas[AMD64]
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			code, err := hex.DecodeString(strings.ReplaceAll(test.code, " ", ""))
			if err != nil {
				t.Fatal(err)
			}
			if got := describe(m.trace(code), m); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
}

func describe(l *listing, m isa) string {
	entry, why := l.entry(m.kept(RoleRead), false)
	if why != "" {
		return why
	}
	site := func(i int) string {
		if l.insts[i].emulated {
			return fmt.Sprint(l.insts[i].at, " emulated")
		}
		return fmt.Sprint(l.insts[i].at)
	}
	if l.opaque != "" {
		return site(entry) + "; " + l.opaque
	}
	if !l.enumerable() {
		return site(entry) + "; no return"
	}
	var exits []string
	for _, i := range newGraph(l).exits(m.result, entry) {
		exits = append(exits, site(i))
	}
	return site(entry) + "; " + strings.Join(exits, " ")
}

// TestForwards: a function that only calls another one is not probed beside it.
func TestForwards(t *testing.T) {
	target := []Function{{Address: 0x2000}}
	tests := []struct {
		name string
		code []byte
		want bool
	}{
		{"jump to it", []byte{0x31, 0xc9, 0xe9, 0xf9, 0x0f, 0, 0}, true},
		{"call of it", []byte{0x55, 0xe8, 0xfa, 0x0f, 0, 0, 0x5d, 0xc3}, true},
		{"jump elsewhere, the only one: by the linkage table", []byte{0x31, 0xc9, 0xe9, 0xf9, 0x1f, 0, 0}, true},
		{"two calls elsewhere", []byte{0xe8, 0, 0x1f, 0, 0, 0xe8, 0, 0x1f, 0, 0, 0xc3}, false},
	}
	for _, test := range tests {
		if got := isas[AMD64].trace(test.code).forwards(0x1000, target); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}

// TestWork: code that is made for it takes no long analysis, and no more of it than maxCode.
func TestWork(t *testing.T) {
	branches := strings.Repeat("\x75\x02\x75\x00", maxFunction/4-1) + "\xc3"
	_, err := inspectBytes(openSSL(branches, "SSL_read_ex", "SSL_write_ex", "SSL_write_ex2").bytes())
	wantReason(t, err, TooMuchWork, "openssl")
	if _, err := inspectBytes(openSSL(branches).bytes()); err != nil {
		t.Error(err)
	}
}
