/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Who the local process is. */
#ifndef FATHOM_WORKLOAD_H
#define FATHOM_WORKLOAD_H

#include "../base/load.h"
#include "../base/slots.h"

/*
 * Notes the names of a cgroup's directory and of its parents, so that a workload can be
 * named when its cgroup is gone before user space looks. Once per workload.
 */
static __always_inline void note_cgroup_names(struct workload *w, struct cgroup *cgroup)
{
	u32 i;

	for (i = 0; i < CGROUP_NAMES; i++) {
		struct cgroup *parent = (struct cgroup *)BPF_CORE_READ(cgroup, self.parent);

		w->names[i][0] = 0;
		if (!cgroup || !parent) /* the root has no name */
			continue;
		bpf_probe_read_kernel_str((char *)w->names[i], CGROUP_NAME_LEN,
					  BPF_CORE_READ(cgroup, kn, name));
		cgroup = parent;
	}
}

static __noinline u32 workload_add(struct workload_key *key, struct cgroup *cgroup)
{
	u32 id, *known;
	struct workload *w;
	struct census *census;
	int err;

	id = alloc_slot(TABLE_WORKLOADS, &workload_free, max_workloads);
	w = bpf_map_lookup_elem(&workloads, &id);
	if (!id || !w) {
		count_overflow(TABLE_WORKLOADS);
		return 0;
	}
	w->key = *key;
	w->series = 0;
	w->edges = 0;
	note_cgroup_names(w, cgroup);
	w->used = 1;
	census = bpf_map_lookup_elem(&censuses, &id);
	if (census)
		census->connections = 1; /* until the next sweep: in use */
	err = bpf_map_update_elem(&workload_index, key, &id, BPF_NOEXIST);
	if (!err)
		return id;
	w->used = 0;
	free_slot(&workload_free, id);
	known = bpf_map_lookup_elem(&workload_index, key);
	if (known)
		return *known;
	count_map_error(err);
	count_overflow(TABLE_WORKLOADS);
	return 0;
}

/* The workload of the current process. */
static __noinline u32 workload_of_task(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct workload_key key = {};
	u32 *id;

	key.cgroup = bpf_get_current_cgroup_id();
	BPF_CORE_READ_STR_INTO(&key.comm, task, group_leader, comm);
	id = bpf_map_lookup_elem(&workload_index, &key);
	if (id)
		return *id;
	return workload_add(&key, BPF_CORE_READ(task, cgroups, dfl_cgrp));
}

static __always_inline struct cgroup *cgroup_of_socket(struct sock *sk)
{
	struct sock_cgroup_data *data = &sk->sk_cgrp_data;
	struct sock_cgroup_data___5_14 *old = (void *)data;
	u64 value;

	if (bpf_core_field_exists(data->cgroup))
		return BPF_CORE_READ(data, cgroup);
	value = BPF_CORE_READ(old, val);
	return value & 3 ? NULL : (struct cgroup *)value; /* sock_cgroup_ptr() of 5.10 */
}

/* The workload of a socket that no process has used yet: its cgroup alone. */
static __noinline u32 workload_of_socket(struct sock *sk)
{
	struct cgroup *cgroup = cgroup_of_socket(sk);
	struct workload_key key = {};
	u32 *id;

	key.cgroup = BPF_CORE_READ(cgroup, kn, id);
	id = bpf_map_lookup_elem(&workload_index, &key);
	if (id)
		return *id;
	return workload_add(&key, cgroup);
}

#endif
