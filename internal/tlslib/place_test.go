package tlslib

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// accessors are functions of these shapes, compiled by clang 19 -O2 for both machines:
//
//	size_t copy(const struct session *s, unsigned char *out, size_t n)      // SSL_get_client_random()
//	void pointers(const struct session *s, const unsigned char **client, const unsigned char **server)
//	int flag(const struct session *s)                                       // SSL_is_server()
//
// where the random is in the session, at 0x160, or in a part of it that 0xa0 points to, at 0xd8.
var accessors = []struct {
	name     string
	machine  Machine
	code     string
	places   []Place
	returned []Place
}{
	{
		name: "copy of up to 32 bytes, in the session", machine: AMD64,
		code: "53 4885d2 7427 4883fa20 bb20000000 480f42da 4881c760010000 4889f8 4889f7 4889c6 4889da e800000000 " +
			"eb05 bb20000000 4889d8 5b c3",
		places: []Place{{First: 0x160}},
	},
	{
		name: "copy of up to 32 bytes, in a part", machine: AMD64,
		code: "53 4885d2 7429 4883fa20 bb20000000 480f42da b8d8000000 480387a0000000 4889f7 4889c6 4889da e800000000 " +
			"eb05 bb20000000 4889d8 5b c3",
		places: []Place{{First: 0xa0, Indirect: true, Second: 0xd8}},
	},
	{
		name: "pointers to both randoms", machine: AMD64,
		code: "4885f6 740f b8d8000000 480387a0000000 488906 4885d2 740f b8b8000000 480387a0000000 488902 c3",
		places: []Place{
			{First: 0xa0, Indirect: true, Second: 0xb8},
			{First: 0xa0, Indirect: true, Second: 0xd8},
		},
	},
	{
		name: "copy by vectors", machine: AMD64,
		code:   "0f108760010000 0f108f70010000 0f114e10 0f1106 c3",
		places: []Place{{First: 0x160}},
	},
	{name: "an int", machine: AMD64, code: "8b8780010000 c3", returned: []Place{{First: 0x180}}},
	{name: "a bit", machine: AMD64, code: "0fb64744 83e001 c3", returned: []Place{{First: 0x44}}},
	{name: "an index nobody knows", machine: AMD64, code: "488d8437 60010000 c3"},
	{
		name: "copy of up to 32 bytes, in the session", machine: ARM64,
		code: "fd7bbea9 f30b00f9 fd030091 420100b4 5f8000f1 09048052 e80301aa 5330899a 01800591 e00308aa e20313aa 00000094 " +
			"02000014 13048052 e00313aa f30b40f9 fd7bc2a8 c0035fd6",
		places: []Place{{First: 0x160}},
	},
	{
		name: "copy of up to 32 bytes, in a part", machine: ARM64,
		code: "fd7bbea9 f30b00f9 fd030091 620100b4 5f8000f1 09048052 0a5040f9 e80301aa 5330899a 41610391 e00308aa e20313aa " +
			"00000094 02000014 13048052 e00313aa f30b40f9 fd7bc2a8 c0035fd6",
		places: []Place{{First: 0xa0, Indirect: true, Second: 0xd8}},
	},
	{
		name: "pointers to both randoms", machine: ARM64,
		code: "810000b4 085040f9 08610391 280000f9 820000b4 085040f9 08e10291 480000f9 c0035fd6",
		places: []Place{
			{First: 0xa0, Indirect: true, Second: 0xb8},
			{First: 0xa0, Indirect: true, Second: 0xd8},
		},
	},
	{name: "copy by vectors", machine: ARM64, code: "01004bad 210000ad c0035fd6", places: []Place{{First: 0x160}}},
	{name: "an int", machine: ARM64, code: "008041b9 c0035fd6", returned: []Place{{First: 0x180}}},
	{name: "a bit", machine: ARM64, code: "08104139 00010012 c0035fd6", returned: []Place{{First: 0x44}}},
}

func TestPlaces(t *testing.T) {
	for _, test := range accessors {
		t.Run(map[Machine]string{AMD64: "amd64", ARM64: "arm64"}[test.machine]+"/"+test.name, func(t *testing.T) {
			code, err := hex.DecodeString(strings.ReplaceAll(test.code, " ", ""))
			if err != nil {
				t.Fatal(err)
			}
			a := accessor{code: code, step: steps[test.machine]}
			a.run(0, start(test.machine))
			if a.refused || !reflect.DeepEqual(a.found, test.places) || !reflect.DeepEqual(a.returned, test.returned) {
				t.Errorf("refused: %v, found %+v, returned %+v; want %+v, %+v", a.refused, a.found, a.returned, test.places, test.returned)
			}
		})
	}
}

// TestPlacesOfLibraries wants the place of the client random of each library that has a public
// accessor of it, in the releases that scripts/tlslibs.sh fetches.
func TestPlacesOfLibraries(t *testing.T) {
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, pattern := range []string{"*/usr/lib/*/*", "*/usr/lib/*/*/*"} {
		more, err := filepath.Glob(filepath.Join(cache, "fathom-tlslibs", pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, more...)
	}
	libraries := 0
	for _, f := range files {
		if info, err := os.Lstat(f); err != nil || !info.Mode().IsRegular() {
			continue
		}
		found, err := inspect(t, f)
		if err != nil {
			continue // no TLS library
		}
		for _, l := range found.Libraries {
			if l.Kind == Go {
				continue
			}
			libraries++
			if n := len(l.Random); n == 0 || n > maxPlaces {
				t.Errorf("%s, %v %s: %d places of the client random", f, l.Kind, l.Version, n)
			}
		}
	}
	if libraries == 0 {
		if os.Getenv("FATHOM_REQUIRE_TOOLS") != "" {
			t.Fatal("no libraries: run scripts/tlslibs.sh")
		}
		t.Skip("no libraries: run scripts/tlslibs.sh") // as TestTLSMatrix does
	}
	t.Logf("%d libraries", libraries)
}
