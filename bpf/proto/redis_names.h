/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The commands and the errors of Redis and Valkey that have a label of their own. Pure; it
 * needs u8 to u64 defined.
 */
#ifndef FATHOM_REDIS_NAMES_H
#define FATHOM_REDIS_NAMES_H

#include "bytes.h"

enum redis_flags {
	/*
	 * Waits until something comes or its time is over (of XREAD and XREADGROUP: with
	 * BLOCK, which is not looked at): the duration says nothing about the server.
	 */
	REDIS_WAITS = 1,
	/*
	 * What client libraries send by themselves: to open a connection, to find the nodes of
	 * a cluster, to see whether a connection lives. Some of it fails as a matter of course
	 * on servers older than the client.
	 */
	REDIS_HOUSEKEEPING = 2,
	/* Confirmed by one message for each channel, or by pushes. */
	REDIS_SUBSCRIBES = 4,
	/* What follows is a stream, no replies. */
	REDIS_STREAMS = 8,
};

/*
 * X(identifier, name, flags) for each command with a number: those of `COMMAND LIST` of Redis
 * 7.0.15 but for the ones that only administrators and its own tests use; of what came later
 * (Redis 7.2 to 8.4, Valkey 8 and 9), and of the modules that Redis 8 has built in, the ones
 * that applications send. Those of a container (CLIENT, CONFIG, XINFO, ...) have one number.
 * The order is part of the interface to user space: 0 is any other command.
 */
/* clang-format off */
#define REDIS_COMMANDS(X) \
	X(ACL, "ACL", 0) X(APPEND, "APPEND", 0) X(ASKING, "ASKING", REDIS_HOUSEKEEPING) \
	X(AUTH, "AUTH", REDIS_HOUSEKEEPING) X(BF_ADD, "BF.ADD", 0) X(BF_EXISTS, "BF.EXISTS", 0) \
	X(BITCOUNT, "BITCOUNT", 0) X(BITFIELD, "BITFIELD", 0) X(BITFIELD_RO, "BITFIELD_RO", 0) \
	X(BITOP, "BITOP", 0) X(BITPOS, "BITPOS", 0) X(BLMOVE, "BLMOVE", REDIS_WAITS) \
	X(BLMPOP, "BLMPOP", REDIS_WAITS) X(BLPOP, "BLPOP", REDIS_WAITS) \
	X(BRPOP, "BRPOP", REDIS_WAITS) X(BRPOPLPUSH, "BRPOPLPUSH", REDIS_WAITS) \
	X(BZMPOP, "BZMPOP", REDIS_WAITS) X(BZPOPMAX, "BZPOPMAX", REDIS_WAITS) \
	X(BZPOPMIN, "BZPOPMIN", REDIS_WAITS) X(CLIENT, "CLIENT", REDIS_HOUSEKEEPING) \
	X(CLUSTER, "CLUSTER", REDIS_HOUSEKEEPING) X(COMMAND, "COMMAND", REDIS_HOUSEKEEPING) \
	X(CONFIG, "CONFIG", 0) X(COPY, "COPY", 0) X(DBSIZE, "DBSIZE", 0) X(DECR, "DECR", 0) \
	X(DECRBY, "DECRBY", 0) X(DEL, "DEL", 0) X(DELEX, "DELEX", 0) X(DISCARD, "DISCARD", 0) \
	X(DUMP, "DUMP", 0) X(ECHO, "ECHO", 0) X(EVAL, "EVAL", 0) X(EVALSHA, "EVALSHA", 0) \
	X(EVALSHA_RO, "EVALSHA_RO", 0) X(EVAL_RO, "EVAL_RO", 0) X(EXEC, "EXEC", 0) \
	X(EXISTS, "EXISTS", 0) X(EXPIRE, "EXPIRE", 0) X(EXPIREAT, "EXPIREAT", 0) \
	X(EXPIRETIME, "EXPIRETIME", 0) X(FCALL, "FCALL", 0) X(FCALL_RO, "FCALL_RO", 0) \
	X(FLUSHALL, "FLUSHALL", 0) X(FLUSHDB, "FLUSHDB", 0) X(FT_AGGREGATE, "FT.AGGREGATE", 0) \
	X(FT_SEARCH, "FT.SEARCH", 0) X(FUNCTION, "FUNCTION", 0) X(GEOADD, "GEOADD", 0) \
	X(GEODIST, "GEODIST", 0) X(GEOHASH, "GEOHASH", 0) X(GEOPOS, "GEOPOS", 0) \
	X(GEORADIUS, "GEORADIUS", 0) X(GEORADIUSBYMEMBER, "GEORADIUSBYMEMBER", 0) \
	X(GEORADIUSBYMEMBER_RO, "GEORADIUSBYMEMBER_RO", 0) X(GEORADIUS_RO, "GEORADIUS_RO", 0) \
	X(GEOSEARCH, "GEOSEARCH", 0) X(GEOSEARCHSTORE, "GEOSEARCHSTORE", 0) X(GET, "GET", 0) \
	X(GETBIT, "GETBIT", 0) X(GETDEL, "GETDEL", 0) X(GETEX, "GETEX", 0) \
	X(GETRANGE, "GETRANGE", 0) X(GETSET, "GETSET", 0) X(HDEL, "HDEL", 0) \
	X(HELLO, "HELLO", REDIS_HOUSEKEEPING) X(HEXISTS, "HEXISTS", 0) X(HEXPIRE, "HEXPIRE", 0) \
	X(HEXPIREAT, "HEXPIREAT", 0) X(HEXPIRETIME, "HEXPIRETIME", 0) X(HGET, "HGET", 0) \
	X(HGETALL, "HGETALL", 0) X(HGETDEL, "HGETDEL", 0) X(HGETEX, "HGETEX", 0) \
	X(HINCRBY, "HINCRBY", 0) X(HINCRBYFLOAT, "HINCRBYFLOAT", 0) X(HKEYS, "HKEYS", 0) \
	X(HLEN, "HLEN", 0) X(HMGET, "HMGET", 0) X(HMSET, "HMSET", 0) X(HPERSIST, "HPERSIST", 0) \
	X(HPEXPIRE, "HPEXPIRE", 0) X(HPEXPIREAT, "HPEXPIREAT", 0) \
	X(HPEXPIRETIME, "HPEXPIRETIME", 0) X(HPTTL, "HPTTL", 0) X(HRANDFIELD, "HRANDFIELD", 0) \
	X(HSCAN, "HSCAN", 0) X(HSET, "HSET", 0) X(HSETEX, "HSETEX", 0) X(HSETNX, "HSETNX", 0) \
	X(HSTRLEN, "HSTRLEN", 0) X(HTTL, "HTTL", 0) X(HVALS, "HVALS", 0) X(INCR, "INCR", 0) \
	X(INCRBY, "INCRBY", 0) X(INCRBYFLOAT, "INCRBYFLOAT", 0) \
	X(INFO, "INFO", REDIS_HOUSEKEEPING) X(JSON_DEL, "JSON.DEL", 0) \
	X(JSON_GET, "JSON.GET", 0) X(JSON_MGET, "JSON.MGET", 0) X(JSON_SET, "JSON.SET", 0) \
	X(KEYS, "KEYS", 0) X(LCS, "LCS", 0) X(LINDEX, "LINDEX", 0) X(LINSERT, "LINSERT", 0) \
	X(LLEN, "LLEN", 0) X(LMOVE, "LMOVE", 0) X(LMPOP, "LMPOP", 0) X(LPOP, "LPOP", 0) \
	X(LPOS, "LPOS", 0) X(LPUSH, "LPUSH", 0) X(LPUSHX, "LPUSHX", 0) X(LRANGE, "LRANGE", 0) \
	X(LREM, "LREM", 0) X(LSET, "LSET", 0) X(LTRIM, "LTRIM", 0) X(MEMORY, "MEMORY", 0) \
	X(MGET, "MGET", 0) X(MONITOR, "MONITOR", REDIS_STREAMS) X(MSET, "MSET", 0) \
	X(MSETEX, "MSETEX", 0) X(MSETNX, "MSETNX", 0) X(MULTI, "MULTI", 0) \
	X(OBJECT, "OBJECT", 0) X(PERSIST, "PERSIST", 0) X(PEXPIRE, "PEXPIRE", 0) \
	X(PEXPIREAT, "PEXPIREAT", 0) X(PEXPIRETIME, "PEXPIRETIME", 0) X(PFADD, "PFADD", 0) \
	X(PFCOUNT, "PFCOUNT", 0) X(PFMERGE, "PFMERGE", 0) X(PING, "PING", REDIS_HOUSEKEEPING) \
	X(PSETEX, "PSETEX", 0) X(PSUBSCRIBE, "PSUBSCRIBE", REDIS_SUBSCRIBES) \
	X(PSYNC, "PSYNC", REDIS_STREAMS) X(PTTL, "PTTL", 0) X(PUBLISH, "PUBLISH", 0) \
	X(PUBSUB, "PUBSUB", 0) X(PUNSUBSCRIBE, "PUNSUBSCRIBE", REDIS_SUBSCRIBES) \
	X(QUIT, "QUIT", REDIS_HOUSEKEEPING) X(RANDOMKEY, "RANDOMKEY", 0) \
	X(READONLY, "READONLY", REDIS_HOUSEKEEPING) \
	X(READWRITE, "READWRITE", REDIS_HOUSEKEEPING) X(RENAME, "RENAME", 0) \
	X(RENAMENX, "RENAMENX", 0) X(REPLCONF, "REPLCONF", REDIS_HOUSEKEEPING) \
	X(RESET, "RESET", REDIS_HOUSEKEEPING) X(RESTORE, "RESTORE", 0) \
	X(ROLE, "ROLE", REDIS_HOUSEKEEPING) X(RPOP, "RPOP", 0) X(RPOPLPUSH, "RPOPLPUSH", 0) \
	X(RPUSH, "RPUSH", 0) X(RPUSHX, "RPUSHX", 0) X(SADD, "SADD", 0) X(SCAN, "SCAN", 0) \
	X(SCARD, "SCARD", 0) X(SCRIPT, "SCRIPT", 0) X(SDIFF, "SDIFF", 0) \
	X(SDIFFSTORE, "SDIFFSTORE", 0) X(SELECT, "SELECT", REDIS_HOUSEKEEPING) \
	X(SENTINEL, "SENTINEL", REDIS_HOUSEKEEPING) X(SET, "SET", 0) X(SETBIT, "SETBIT", 0) \
	X(SETEX, "SETEX", 0) X(SETNX, "SETNX", 0) X(SETRANGE, "SETRANGE", 0) \
	X(SHUTDOWN, "SHUTDOWN", 0) X(SINTER, "SINTER", 0) X(SINTERCARD, "SINTERCARD", 0) \
	X(SINTERSTORE, "SINTERSTORE", 0) X(SISMEMBER, "SISMEMBER", 0) X(SLOWLOG, "SLOWLOG", 0) \
	X(SMEMBERS, "SMEMBERS", 0) X(SMISMEMBER, "SMISMEMBER", 0) X(SMOVE, "SMOVE", 0) \
	X(SORT, "SORT", 0) X(SORT_RO, "SORT_RO", 0) X(SPOP, "SPOP", 0) \
	X(SPUBLISH, "SPUBLISH", 0) X(SRANDMEMBER, "SRANDMEMBER", 0) X(SREM, "SREM", 0) \
	X(SSCAN, "SSCAN", 0) X(SSUBSCRIBE, "SSUBSCRIBE", REDIS_SUBSCRIBES) \
	X(STRLEN, "STRLEN", 0) X(SUBSCRIBE, "SUBSCRIBE", REDIS_SUBSCRIBES) \
	X(SUNION, "SUNION", 0) X(SUNIONSTORE, "SUNIONSTORE", 0) \
	X(SUNSUBSCRIBE, "SUNSUBSCRIBE", REDIS_SUBSCRIBES) X(SYNC, "SYNC", REDIS_STREAMS) \
	X(TIME, "TIME", 0) X(TOUCH, "TOUCH", 0) X(TS_ADD, "TS.ADD", 0) \
	X(TS_RANGE, "TS.RANGE", 0) X(TTL, "TTL", 0) X(TYPE, "TYPE", 0) X(UNLINK, "UNLINK", 0) \
	X(UNSUBSCRIBE, "UNSUBSCRIBE", REDIS_SUBSCRIBES) X(UNWATCH, "UNWATCH", 0) \
	X(VADD, "VADD", 0) X(VSIM, "VSIM", 0) X(WAIT, "WAIT", REDIS_WAITS) \
	X(WAITAOF, "WAITAOF", REDIS_WAITS) X(WATCH, "WATCH", 0) X(XACK, "XACK", 0) \
	X(XACKDEL, "XACKDEL", 0) X(XADD, "XADD", 0) X(XAUTOCLAIM, "XAUTOCLAIM", 0) \
	X(XCLAIM, "XCLAIM", 0) X(XDEL, "XDEL", 0) X(XDELEX, "XDELEX", 0) X(XGROUP, "XGROUP", 0) \
	X(XINFO, "XINFO", 0) X(XLEN, "XLEN", 0) X(XPENDING, "XPENDING", 0) \
	X(XRANGE, "XRANGE", 0) X(XREAD, "XREAD", REDIS_WAITS) \
	X(XREADGROUP, "XREADGROUP", REDIS_WAITS) X(XREVRANGE, "XREVRANGE", 0) \
	X(XSETID, "XSETID", 0) X(XTRIM, "XTRIM", 0) X(ZADD, "ZADD", 0) X(ZCARD, "ZCARD", 0) \
	X(ZCOUNT, "ZCOUNT", 0) X(ZDIFF, "ZDIFF", 0) X(ZDIFFSTORE, "ZDIFFSTORE", 0) \
	X(ZINCRBY, "ZINCRBY", 0) X(ZINTER, "ZINTER", 0) X(ZINTERCARD, "ZINTERCARD", 0) \
	X(ZINTERSTORE, "ZINTERSTORE", 0) X(ZLEXCOUNT, "ZLEXCOUNT", 0) X(ZMPOP, "ZMPOP", 0) \
	X(ZMSCORE, "ZMSCORE", 0) X(ZPOPMAX, "ZPOPMAX", 0) X(ZPOPMIN, "ZPOPMIN", 0) \
	X(ZRANDMEMBER, "ZRANDMEMBER", 0) X(ZRANGE, "ZRANGE", 0) X(ZRANGEBYLEX, "ZRANGEBYLEX", 0) \
	X(ZRANGEBYSCORE, "ZRANGEBYSCORE", 0) X(ZRANGESTORE, "ZRANGESTORE", 0) \
	X(ZRANK, "ZRANK", 0) X(ZREM, "ZREM", 0) X(ZREMRANGEBYLEX, "ZREMRANGEBYLEX", 0) \
	X(ZREMRANGEBYRANK, "ZREMRANGEBYRANK", 0) X(ZREMRANGEBYSCORE, "ZREMRANGEBYSCORE", 0) \
	X(ZREVRANGE, "ZREVRANGE", 0) X(ZREVRANGEBYLEX, "ZREVRANGEBYLEX", 0) \
	X(ZREVRANGEBYSCORE, "ZREVRANGEBYSCORE", 0) X(ZREVRANK, "ZREVRANK", 0) \
	X(ZSCAN, "ZSCAN", 0) X(ZSCORE, "ZSCORE", 0) X(ZUNION, "ZUNION", 0) \
	X(ZUNIONSTORE, "ZUNIONSTORE", 0)

enum redis_command {
	REDIS_OTHER,
#define X(id, name, flags) REDIS_##id,
	REDIS_COMMANDS(X)
#undef X
	REDIS_COMMAND_COUNT,
};
/* clang-format on */
_Static_assert(REDIS_COMMAND_COUNT <= 256, "an operation has 8 bits");

/* The same for the first word of an error: 0 is no error, 1 is an error with another word. */
/* clang-format off */
#define REDIS_ERRORS(X) \
	X(ERR) X(WRONGTYPE) X(NOSCRIPT) X(MOVED) X(ASK) X(LOADING) X(BUSY) X(READONLY) X(OOM) \
	X(EXECABORT) X(NOAUTH) X(NOPERM) X(CROSSSLOT) X(CLUSTERDOWN) X(TRYAGAIN) X(MASTERDOWN) \
	X(NOREPLICAS) X(MISCONF) X(WRONGPASS) X(NOPROTO) X(BUSYKEY) X(BUSYGROUP) X(NOGROUP) \
	X(UNKILLABLE) X(NOTBUSY) X(UNBLOCKED) X(INPROG) X(NOGOODSLAVE) X(NOMASTERLINK) \
	X(NOQUORUM) X(DENIED) X(IOERR) X(INVALIDOBJ) X(REDIRECT)

enum redis_status {
	REDIS_OK,
	REDIS_ERROR_OTHER,
#define X(id) REDIS_ERROR_##id,
	REDIS_ERRORS(X)
#undef X
	REDIS_STATUS_COUNT,
};
/* clang-format on */

/*
 * A name as two words: its first 16 characters, zero behind the last. Of a longer one the
 * length stands in the place of the 16th, which tells GEORADIUSBYMEMBER from
 * GEORADIUSBYMEMBER_RO.
 */
#define REDIS_CHAR(s, i)                                                                  \
	((u64)(u8)((i) == 15 && sizeof(s) > 17 ? (int)sizeof(s) - 1 :                     \
						 (s "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")[i]) \
	 << 8 * ((i) & 7))
#define REDIS_WORD(s, i)                                                                         \
	(REDIS_CHAR(s, i) | REDIS_CHAR(s, i + 1) | REDIS_CHAR(s, i + 2) | REDIS_CHAR(s, i + 3) | \
	 REDIS_CHAR(s, i + 4) | REDIS_CHAR(s, i + 5) | REDIS_CHAR(s, i + 6) |                    \
	 REDIS_CHAR(s, i + 7))
#define REDIS_LO(s) REDIS_WORD(s, 0)
#define REDIS_HI(s) REDIS_WORD(s, 8)

/*
 * Two hash tables without collisions: the factors were found by trying. With another name in a
 * list, one may collide; -Winitializer-overrides (in -Wextra) says so, and another odd number
 * is to be tried.
 */
#define REDIS_MIX(lo, hi) ((lo) + 31 * (hi))
#define REDIS_COMMAND_HASH(lo, hi) (REDIS_MIX(lo, hi) * 0x9036b7d053ba99d9ULL >> 52)
#define REDIS_ERROR_HASH(lo, hi) (REDIS_MIX(lo, hi) * 0x91b7584a2265b1f5ULL >> 56)

static const u8 redis_command_slots[1 << 12] = {
#define X(id, name, flags) [REDIS_COMMAND_HASH(REDIS_LO(name), REDIS_HI(name))] = REDIS_##id,
	REDIS_COMMANDS(X)
#undef X
};

static const u64 redis_command_names[REDIS_COMMAND_COUNT][2] = {
#define X(id, name, flags) [REDIS_##id] = {REDIS_LO(name), REDIS_HI(name)},
	REDIS_COMMANDS(X)
#undef X
};

static const u8 redis_command_flags[REDIS_COMMAND_COUNT] = {
#define X(id, name, flags) [REDIS_##id] = flags,
	REDIS_COMMANDS(X)
#undef X
};

static const u8 redis_error_slots[1 << 8] = {
#define X(id) [REDIS_ERROR_HASH(REDIS_LO(#id), REDIS_HI(#id))] = REDIS_ERROR_##id,
	REDIS_ERRORS(X)
#undef X
};

static const u64 redis_error_names[REDIS_STATUS_COUNT][2] = {
#define X(id) [REDIS_ERROR_##id] = {REDIS_LO(#id), REDIS_HI(#id)},
	REDIS_ERRORS(X)
#undef X
};

/* W in upper case. Some other bytes change too; of these only DEL into one that names have. */
static __always_inline u64 redis_upper(u64 w)
{
	return w & ~((w & BYTES_ALL(0x40)) >> 1);
}

/*
 * The entry of a table, for a comparison that stays: the compiler knows the tables and would
 * leave it out; the verifier does not know them.
 */
static __always_inline u32 redis_entry(const u8 *table, u64 i)
{
	u32 entry = table[i];

	__asm__("" : "+r"(entry));
	return entry;
}

/* The flags (enum redis_flags) of an operation. */
static __always_inline u8 redis_flags(u8 operation)
{
	u64 i = operation;

	__asm__("" : "+r"(i)); /* what is compared is what is used */
	return i < REDIS_COMMAND_COUNT ? redis_command_flags[i] : 0;
}

/*
 * The command of a name: its first 16 bytes, zero behind the last, in any case; LENGTH is that
 * of the whole name.
 */
static __always_inline u8 redis_command(u64 lo, u64 hi, u32 length)
{
	u32 found;

	lo = redis_upper(lo);
	hi = redis_upper(hi);
	if (length > 16)
		hi = (hi & bytes_low(7)) | (u64)length << 56;
	found = redis_entry(redis_command_slots, REDIS_COMMAND_HASH(lo, hi));
	if (found >= REDIS_COMMAND_COUNT || redis_command_names[found][0] != lo ||
	    redis_command_names[found][1] != hi)
		return REDIS_OTHER;
	return found;
}

/* The status of an error's first word: at most 16 bytes, zero behind the last. */
static __always_inline u16 redis_error(u64 lo, u64 hi)
{
	u32 found = redis_entry(redis_error_slots, REDIS_ERROR_HASH(lo, hi));

	if (!found || found >= REDIS_STATUS_COUNT || redis_error_names[found][0] != lo ||
	    redis_error_names[found][1] != hi)
		return REDIS_ERROR_OTHER;
	return found;
}

#endif
