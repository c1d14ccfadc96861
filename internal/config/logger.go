package config

import (
	"io"
	"log/slog"
)

// Logger returns a logger with the configured level and format.
func (a *Agent) Logger(w io.Writer) *slog.Logger { return newLogger(w, a.LogLevel, a.LogFormat) }

// Logger returns a logger with the configured level and format.
func (d *Directory) Logger(w io.Writer) *slog.Logger { return newLogger(w, d.LogLevel, d.LogFormat) }

func newLogger(w io.Writer, level slog.Level, format LogFormat) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == LogJSON {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
