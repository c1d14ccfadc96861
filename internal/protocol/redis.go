package protocol

import "strings"

// Redis is the protocol of Redis and Valkey, RESP2 and RESP3. Its names are those of bpf/proto/redis_names.h.
var Redis = &Protocol{
	Name: "redis", Title: "Redis", Family: Databases, System: "redis",
	Recognised:  "a command as an array of strings, such as `*1 $4 PING`",
	Matched:     "by order, without commands that get no reply and messages that nobody asked for",
	Ended:       "with the reply's last byte",
	Operations:  enumerated("redis_command", redisCommand),
	Statuses:    enumerated("redis_status", redisStatus),
	StatusesAre: "`ok`, or the first word of the error, as the server writes it",
	Waits: []string{
		"BLMOVE", "BLMPOP", "BLPOP", "BRPOP", "BRPOPLPUSH", "BZMPOP", "BZPOPMAX", "BZPOPMIN", "WAIT", "WAITAOF", "XREAD", "XREADGROUP",
	},
	Housekeeping: []string{
		"ASKING", "AUTH", "CLIENT", "CLUSTER", "COMMAND", "HELLO", "INFO", "PING", "QUIT", "READONLY", "READWRITE", "REPLCONF",
		"RESET", "ROLE", "SELECT", "SENTINEL",
	},
	// Clients of a cluster follow the first two, and send a script after the third.
	Success: []string{"ok", "MOVED", "ASK", "NOSCRIPT"},
}

// redisModules are those whose commands have a dot in their names.
var redisModules = []string{"BF", "FT", "JSON", "TS"}

func redisCommand(enumerator string) string {
	name := strings.TrimPrefix(enumerator, "REDIS_")
	for _, module := range redisModules {
		if command, ok := strings.CutPrefix(name, module+"_"); ok {
			return module + "." + command
		}
	}
	return name
}

func redisStatus(enumerator string) string {
	switch enumerator {
	case "REDIS_OK":
		return "ok"
	case "REDIS_ERROR_OTHER":
		return "" // as what has no number
	}
	return strings.TrimPrefix(enumerator, "REDIS_ERROR_")
}
