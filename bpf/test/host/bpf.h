/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * What stands in for the kernel where the programs are compiled for the host: helpers, maps, the
 * memory of the process, the clock. Kernel structures are plain ones here, which a test fills.
 * One thread.
 */
#ifndef FATHOM_HOST_BPF_H
#define FATHOM_HOST_BPF_H

/* No header of the C library goes with kernel.h. */
int fflush(void *stream);
int printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
void *calloc(size_t n, size_t size);
void abort(void) __attribute__((noreturn));
void exit(int status) __attribute__((noreturn));
void *memcpy(void *to, const void *from, size_t n);
void *memset(void *at, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);

#define __always_inline inline __attribute__((always_inline))
#define __noinline __attribute__((noinline))
#define NULL ((void *)0)
#define barrier() asm volatile("" ::: "memory")
#define SEC(name)

/* Maps: each is a variable, whose address tells which one it is. */
#define __uint(name, value) int(*name)[value]
#define __type(name, value) typeof(value) *name

struct host_map {
	const void *id;
	u32 type, key_size, value_size, entries;
	u32 used;  /* hashes: slots that were ever taken; queues: how many are in it */
	u32 first; /* queues; of one that forgets: the next to be forgotten */
	u8 *keys, *values, *taken;
};

#define HOST_MAPS 40
static struct host_map host_maps[HOST_MAPS];

#define HOST_HASH_ENTRIES 64 /* of a hash; more would be slow here */

static struct host_map *host_map(const void *id, u32 type, u32 key_size, u32 value_size,
				 u32 entries)
{
	struct host_map *m;

	for (m = host_maps; m < host_maps + HOST_MAPS && m->id; m++)
		if (m->id == id)
			return m;
	if (m == host_maps + HOST_MAPS)
		abort();
	m->id = id;
	m->type = type;
	m->key_size = key_size;
	m->value_size = value_size;
	m->entries = type == BPF_MAP_TYPE_HASH || type == BPF_MAP_TYPE_LRU_HASH ?
			     (entries < HOST_HASH_ENTRIES ? entries : HOST_HASH_ENTRIES) :
			     entries;
	m->values = calloc(m->entries, value_size);
	m->keys = calloc(m->entries, key_size ? key_size : 1);
	m->taken = calloc(m->entries, 1);
	return m;
}

static bool host_is_array(const struct host_map *m)
{
	return m->type == BPF_MAP_TYPE_ARRAY || m->type == BPF_MAP_TYPE_PERCPU_ARRAY;
}

/* How often maps were asked: a measure of the work of a program. */
static u64 host_lookups;

static u8 *host_find(struct host_map *m, const void *key)
{
	u32 i;

	host_lookups++;
	if (host_is_array(m)) {
		memcpy(&i, key, sizeof(i));
		return i < m->entries ? m->values + (size_t)i * m->value_size : 0;
	}
	for (i = 0; i < m->used; i++)
		if (m->taken[i] && !memcmp(m->keys + i * m->key_size, key, m->key_size))
			return m->values + (size_t)i * m->value_size;
	return 0;
}

static int host_update(struct host_map *m, const void *key, const void *value, u64 flags)
{
	u8 *known = host_find(m, key);
	u32 i;

	if (known) {
		if (flags & BPF_NOEXIST)
			return -EEXIST;
		memcpy(known, value, m->value_size);
		return 0;
	}
	if (host_is_array(m))
		return -E2BIG;
	for (i = 0; i < m->used && m->taken[i]; i++)
		;
	if (i == m->entries && m->type != BPF_MAP_TYPE_LRU_HASH)
		return -E2BIG;
	if (i == m->entries)
		i = m->first++ % m->entries;
	else if (i == m->used)
		m->used++;
	m->taken[i] = 1;
	memcpy(m->keys + i * m->key_size, key, m->key_size);
	memcpy(m->values + (size_t)i * m->value_size, value, m->value_size);
	return 0;
}

static int host_delete(struct host_map *m, const void *key)
{
	u8 *known = host_find(m, key);

	if (!known)
		return -2;
	m->taken[(known - m->values) / m->value_size] = 0;
	return 0;
}

#define HOST_QUEUE_ENTRIES 1024

/*
 * Queues are used for slots only. They are passed as plain pointers, so that they are known once
 * something was pushed.
 */
static int host_pop(const void *id, u32 *value)
{
	struct host_map *m = host_map(id, BPF_MAP_TYPE_QUEUE, 0, sizeof(u32), HOST_QUEUE_ENTRIES);

	if (!m->used)
		return -2;
	memcpy(value, m->values + sizeof(u32) * (m->first % m->entries), sizeof(u32));
	m->first++;
	m->used--;
	return 0;
}

static int host_push(const void *id, const u32 *value)
{
	struct host_map *m = host_map(id, BPF_MAP_TYPE_QUEUE, 0, sizeof(u32), HOST_QUEUE_ENTRIES);

	if (m->used == m->entries)
		return -E2BIG;
	memcpy(m->values + sizeof(u32) * ((m->first + m->used) % m->entries), value, sizeof(u32));
	m->used++;
	return 0;
}

/* Empties a hash. */
static inline void host_clear(struct host_map *m)
{
	memset(m->taken, 0, m->used);
	m->used = 0;
}

static inline void host_clear_queue(const void *id)
{
	struct host_map *m = host_map(id, BPF_MAP_TYPE_QUEUE, 0, sizeof(u32), HOST_QUEUE_ENTRIES);

	m->first = 0;
	m->used = 0;
}

#define HOST_MAP(m)                                                                           \
	host_map(m, sizeof(*(m)->type) / sizeof(int), sizeof(*(m)->key), sizeof(*(m)->value), \
		 sizeof(*(m)->max_entries) / sizeof(int))
#define bpf_map_lookup_elem(m, k) ((typeof((m)->value))host_find(HOST_MAP(m), k))
#define bpf_map_update_elem(m, k, v, flags) host_update(HOST_MAP(m), k, v, flags)
#define bpf_map_delete_elem(m, k) host_delete(HOST_MAP(m), k)
#define bpf_map_pop_elem(m, v) host_pop(m, v)
#define bpf_map_push_elem(m, v, flags) host_push(m, v)

/*
 * The memory of the process: what a call moved. Everything else is a fault, and no program asks
 * for it.
 */
#define HOST_REGIONS 64
static struct {
	const u8 *at;
	size_t size;
} host_memory[HOST_REGIONS];
static u32 host_regions;
static bool host_memory_is_gone;

static long bpf_probe_read_user(void *to, u32 n, const void *from)
{
	const u8 *at = from;
	u32 i;

	if (host_memory_is_gone)
		return -14;
	for (i = 0; i < host_regions; i++) {
		if (at >= host_memory[i].at && at + n <= host_memory[i].at + host_memory[i].size) {
			memcpy(to, from, n);
			return 0;
		}
	}
	printf("%u bytes are read that the call did not move\n", n);
	abort();
}

static long bpf_probe_read_kernel(void *to, u32 n, const void *from)
{
	if (!from) {
		memset(to, 0, n);
		return -1;
	}
	memcpy(to, from, n);
	return 0;
}

static long bpf_probe_read_kernel_str(void *to, u32 n, const void *from)
{
	memset(to, 0, n);
	(void)from;
	return 0;
}

/* Time goes on by what a test adds. */
static u64 host_now = 1000000000;

static u64 bpf_ktime_get_ns(void)
{
	return host_now;
}

static u64 bpf_get_current_pid_tgid(void)
{
	return 1ULL << 32 | 1;
}

static u64 bpf_get_current_cgroup_id(void)
{
	return 1;
}

static struct kernfs_node host_kernfs = {.id = 1, .name = "host"};
static struct cgroup host_cgroup = {.kn = &host_kernfs};
static struct css_set host_css = {.dfl_cgrp = &host_cgroup};
static struct task_struct host_task = {
	.cgroups = &host_css, .group_leader = &host_task, .comm = "host"};

static struct task_struct *bpf_get_current_task_btf(void)
{
	return &host_task;
}

static u64 bpf_get_current_task(void)
{
	return (u64)&host_task;
}

static struct pt_regs host_regs;

static long bpf_task_pt_regs(struct task_struct *task)
{
	(void)task;
	return (long)&host_regs;
}

static void *bpf_ringbuf_reserve(void *map, u64 size, u64 flags)
{
	static u32 asked;

	(void)map, (void)size, (void)flags;
	return &asked;
}

static void bpf_ringbuf_submit(void *data, u64 flags)
{
	(void)data, (void)flags;
}

#define bpf_htonl(x) __builtin_bswap32(x)
#define bpf_ntohs(x) __builtin_bswap16(x)

#define bpf_core_field_exists(field) 1
#define bpf_core_field_offset(...) 0
#define bpf_core_enum_value(type, value) value
#define bpf_core_enum_value_exists(type, value) 1
#define bpf_core_type_size(type) sizeof(type)
#define __builtin_preserve_access_index(x) (x)

#define HOST_READ2(a, b) ((a)->b)
#define HOST_READ3(a, b, c) ((a)->b->c)
#define HOST_READ4(a, b, c, d) ((a)->b->c->d)
#define HOST_PICK(_1, _2, _3, _4, name, ...) name
#define BPF_CORE_READ(...) HOST_PICK(__VA_ARGS__, HOST_READ4, HOST_READ3, HOST_READ2, )(__VA_ARGS__)
#define BPF_CORE_READ_INTO(to, ...) (*(to) = BPF_CORE_READ(__VA_ARGS__))
#define BPF_CORE_READ_STR_INTO(to, ...) memcpy(to, BPF_CORE_READ(__VA_ARGS__), sizeof(*(to)))
#define BPF_CORE_READ_BITFIELD_PROBED(s, field) ((s)->field)

#endif
