package vm

import (
	"slices"
	"strings"
	"testing"
)

// As depmod writes it.
const modulesDep = `kernel/drivers/net/veth.ko.xz:
kernel/net/tls/tls.ko.xz:
kernel/net/mac80211/mac80211.ko: kernel/net/wireless/cfg80211.ko kernel/net/rfkill/rfkill.ko kernel/lib/crypto/libarc4.ko
kernel/net/wireless/cfg80211.ko: kernel/net/rfkill/rfkill.ko
kernel/net/rfkill/rfkill.ko:
kernel/lib/crypto/libarc4.ko:
kernel/net/sched/sch-netem.ko.zst: kernel/lib/reed.ko
kernel/lib/reed.ko:
`

const modulesBuiltin = "kernel/fs/ext4/ext4.ko\nkernel/net/unix/unix.ko\n"

func TestLoadOrder(t *testing.T) {
	for _, c := range []struct {
		name  string
		names []string
		want  []string // without folders
		fails string
	}{
		{name: "nothing"},
		{name: "alone", names: []string{"veth"}, want: []string{"veth.ko.xz"}},
		{
			name: "the last dependency first", names: []string{"mac80211"},
			want: []string{"libarc4.ko", "rfkill.ko", "cfg80211.ko", "mac80211.ko"},
		},
		{
			name: "each once", names: []string{"cfg80211", "veth", "mac80211", "veth"},
			want: []string{"rfkill.ko", "cfg80211.ko", "veth.ko.xz", "libarc4.ko", "mac80211.ko"},
		},
		{name: "_ is -", names: []string{"sch_netem"}, want: []string{"reed.ko", "sch-netem.ko.zst"}},
		{name: "built in", names: []string{"unix", "tls"}, want: []string{"tls.ko.xz"}},
		{name: "unknown", names: []string{"veth", "vet"}, fails: "no module vet"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files, err := loadOrder(modulesDep, modulesBuiltin, c.names)
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) {
					t.Errorf("error %v, want %q", err, c.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for i, file := range files {
				files[i] = file[strings.LastIndex(file, "/")+1:]
			}
			if !slices.Equal(files, c.want) {
				t.Errorf("got %v, want %v", files, c.want)
			}
		})
	}
}
