// Package page opens the agent's page in a real browser, headless Chromium, while the demonstration
// runs beside a real agent. It needs Chromium, bin/fathom, and permission to load BPF and to make
// a network namespace: `make page-test` sees to all.
//
// Screenshots are left in build/page, for people to look at.
package page
