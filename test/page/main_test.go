package page

import (
	"net/http"
	"os"
	"testing"
)

// askVariable makes the test binary a client that asks the address in it once, under the name that it was started by.
const askVariable = "FATHOM_PAGE_TEST_ASK"

func TestMain(m *testing.M) {
	address := os.Getenv(askVariable)
	if address == "" {
		os.Exit(m.Run())
	}
	resp, err := http.Get(address)
	if err != nil {
		os.Exit(1)
	}
	_ = resp.Body.Close()
}
