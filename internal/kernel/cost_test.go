package kernel

import "testing"

func TestVerified(t *testing.T) {
	k, err := Open(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	o := &k.objects
	for n, p := range map[string]interface{ VerifiedInstructions() (uint32, bool) }{} {
		_ = n
		_ = p
	}
	for _, tp := range taps {
		i, _ := tp.program(o).Info()
		v, _ := i.VerifiedInstructions()
		j, _ := i.JitedSize()
		t.Log(tp.name, v, j)
	}
	i, _ := o.FathomSweep.Info()
	v, _ := i.VerifiedInstructions()
	t.Log("sweep", v)
}
