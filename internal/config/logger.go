package config

import (
	"io"
	"log/slog"
)

// Logger returns a logger with the configured level and format.
func (a *Agent) Logger(w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: a.LogLevel}
	if a.LogFormat == LogJSON {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
