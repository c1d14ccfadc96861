/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * TLS: when the plaintext arrived that a server reads.
 *
 * A library returns the plaintext of one record at most from a call, in their order. So their
 * heads, which are in clear (RFC 8446, section 5.1), are followed where they are received, and the
 * time of each waits for its plaintext: a library may receive several at once that arrived at
 * different times. A connection has place for one that waits, which is enough for libraries that
 * receive no more than the next one; those behind it stand in a page of `backlogs`.
 *
 * No whole record waits where a library receives in order to read, nor where it finds nothing to
 * read: what seems to was not of the application (RFC 8446, sections 4.4.4 and 4.6). That is told
 * by its length, too. Where records cannot be followed, it is known when plaintext arrived as long
 * as all that was received has arrived at the same time.
 */
#ifndef FATHOM_TLS_RECORDS_H
#define FATHOM_TLS_RECORDS_H

#include "../socket/arrivals.h"

/* In place of a time. */
#define TLS_ARRIVAL_MISSED 1
/*
 * In a time: what arrived then is over if anything is received from now on. It may have been the
 * end of a handshake, or what was answered.
 */
#define TLS_ARRIVAL_OLD (1ULL << 63)

/*
 * Another: if more has to be received for the next plaintext, it is not known whether that began
 * with what was received before.
 */
#define TLS_ARRIVAL_UNSURE (1ULL << 62)

/* A record's head, its types, and how much it has behind the head (RFC 5246, section 6.2.3). */
#define TLS_RECORD_HEAD 5
#define TLS_CHANGE_CIPHER_SPEC 20
#define TLS_HANDSHAKE 22
#define TLS_APPLICATION_DATA 23
#define TLS_HEARTBEAT 24 /* RFC 6520 */
#define TLS_RECORD_MOST (16384 + 2048)

/* How many bytes it has besides its plaintext: the tag of an AEAD at least, and what CBC takes. */
#define TLS_RECORD_TAG 16
#define TLS_RECORD_EXTRA 96
/* And what usual ciphers take at most: GCM of TLS 1.2. */
#define TLS_RECORD_USUAL 24

/* How many records of one receive are followed, and among how many the next one is looked for. */
#define TLS_RECORDS 64
#define TLS_RECORDS_NEXT 4
#define TLS_RECORDS_FIRST 16

/* How much is left of a record: that is not known. */
#define TLS_LEFT_UNKNOWN 0xffff
/*
 * Or its head was cut, behind one to four bytes: their number stands in bits 8 to 10, and the
 * fourth one, where there are so many, in those below.
 */
#define TLS_LEFT_CUT 0x8000
#define TLS_LEFT_CUT_DATA 0x4000 /* it is one that waits */

/* In place of a record's length: of the head nobody has seen that yet. */
#define TLS_RECORD_CUT 0xfffd
/* Or records wait that are not told apart. */
#define TLS_RECORDS_AT_ONCE 0xffff /* they have arrived at the same time */
#define TLS_RECORDS_MIXED 0xfffe   /* they have not, or that is not known */

/* Whether a connection has passed no plaintext yet: what was received may be of the handshake. */
static __always_inline bool tls_is_new(struct conn *c)
{
	return !(c->plain_read | c->plain_written);
}

/*
 * Where the time is of the record that waits, 0 if none does. Up to the first plaintext tls_arrived
 * says when what may be of a handshake arrived, and nobody has asked for tls_time yet.
 */
static __always_inline u64 *tls_waiting(struct conn *c)
{
	return tls_is_new(c) ? &c->tls_time : &c->tls_arrived;
}

/* The page that is a queue has no others: there it says whether its times differ. */
#define TLS_QUEUE_MIXED 0

static __always_inline struct backlog *tls_queue_of(struct conn *c)
{
	u32 slot = c->tls_queue;

	return slot ? bpf_map_lookup_elem(&backlogs, &slot) : NULL;
}

__noinline int tls_queue_gives_back(u32 slot)
{
	struct conn *c = conn_of(slot);
	u32 page;

	if (!c)
		return 0;
	page = c->tls_queue;
	c->tls_queue = 0;
	if (!page)
		return 0;
	free_slot(&backlog_free, page);
	count_taken(TABLE_BACKLOGS, -1);
	return 0;
}

static __always_inline void tls_queue_give_back(struct conn *c)
{
	if (c->tls_queue)
		tls_queue_gives_back(c->slot);
}

/* What waits is not told apart any more, with what arrived at TIME (0: that is not known). */
static __always_inline void tls_mix(struct conn *c, u64 time)
{
	u64 before = *tls_waiting(c) ?: c->tls_time;
	struct backlog *q = tls_queue_of(c);

	if (q) {
		if (q->page[TLS_QUEUE_MIXED])
			time = 0;
		tls_queue_give_back(c);
	}
	c->tls_record = c->tls_record != TLS_RECORDS_MIXED && time && time == before ?
				TLS_RECORDS_AT_ONCE :
				TLS_RECORDS_MIXED;
}

/* The connection takes a page for the records that wait behind the first one. */
static __always_inline struct backlog *tls_queue_take(struct conn *c)
{
	u32 process = bpf_get_current_pid_tgid() >> 32, zero = 0, page;
	struct slot_counts *counts;
	struct tls_process *p;
	struct backlog *q;

	if (!c->tls_used) { /* it may never be read */
		p = bpf_map_lookup_elem(&tls_processes, &process);
		counts = bpf_map_lookup_elem(&slot_counts, &zero);
		if (!p || p->opaque != OPAQUE_READ || !counts ||
		    counts->taken[TABLE_BACKLOGS] >= MAX_BACKLOGS / 2)
			return NULL;
	}
	page = alloc_slot(TABLE_BACKLOGS, &backlog_free, MAX_BACKLOGS);
	q = page ? bpf_map_lookup_elem(&backlogs, &page) : NULL;
	if (!q) {
		count_overflow(TABLE_BACKLOGS);
		return NULL;
	}
	count_taken(TABLE_BACKLOGS, 1);
	q->first = 0;
	q->head = 0;
	q->page[TLS_QUEUE_MIXED] = 0;
	c->tls_queue = page;
	return q;
}

/*
 * A record begins with the number SEQ, and waits for its plaintext; LENGTH is what it has behind
 * its head. TLS_RECORDS_AT_ONCE: whatever is there up to what was received last.
 */
__noinline int tls_record_begins(u32 slot, u32 seq, u32 length)
{
	struct conn *c = conn_of(slot);
	struct backlog *q;
	u64 time, *waits;

	if (!c)
		return 0;
	time = arrival_of(c, seq);
	if (length == TLS_RECORDS_AT_ONCE && arrival_of(c, c->rx_pos - 1) != time)
		length = TLS_RECORDS_MIXED;
	waits = tls_waiting(c);
	if (!*waits && !c->tls_record) {
		*waits = time ?: TLS_ARRIVAL_MISSED;
		c->tls_record = length;
		return 0;
	}
	q = tls_queue_of(c);
	if (c->tls_record < TLS_RECORDS_MIXED && length < TLS_RECORDS_MIXED) {
		if (!q)
			q = tls_queue_take(c);
		if (q && q->head < BACKLOG) {
			if (time != (*waits ?: c->tls_time))
				q->page[TLS_QUEUE_MIXED] = 1;
			q->time[q->head % BACKLOG] = time;
			q->seq[q->head % BACKLOG] = length;
			q->head++;
			return 0;
		}
	}
	tls_mix(c, length == TLS_RECORDS_MIXED ? 0 : time);
	return 0;
}

/* Whether a record of LENGTH holds MOVED bytes of plaintext; if they are not ALL, and more. */
static __always_inline bool tls_holds(u32 length, u32 moved, bool all)
{
	return length >= moved + TLS_RECORD_TAG && (!all || length <= moved + TLS_RECORD_EXTRA);
}

/* The same with what usual ciphers add: ChaCha20 of TLS 1.2, any of TLS 1.3, GCM of TLS 1.2. */
static __always_inline bool tls_holds_usually(u32 length, u32 moved, bool all)
{
	u32 extra = length - moved;

	return all ? extra == 16 || extra == 17 || extra == TLS_RECORD_USUAL :
		     tls_holds(length, moved, false);
}

/* Whether a record is as long as one with TLS 1.3's Finished, of SHA-256 or SHA-384. */
static __always_inline bool tls_is_finished(u32 length)
{
	return length == 4 + 32 + 17 || length == 4 + 48 + 17;
}

/* Takes the first N records off those that wait: the last of them is read now, and LEFT remains. */
static __always_inline void tls_records_taken(struct conn *c, struct backlog *q, u32 n, u32 left)
{
	c->tls_record = left;
	if (!q)
		return;
	q->first += n - 1;
	if (q->first >= q->head)
		tls_queue_give_back(c);
}

/* The first plaintext is written: from here on what waits has its time in the other place. */
static __always_inline void tls_waits_on(struct conn *c)
{
	u64 time = c->tls_record ? c->tls_time : 0;

	c->tls_time = 0;
	c->tls_arrived = time;
}

/*
 * A library has moved bytes of plaintext, MOVED of them, ALL of their record. If a server has read
 * them: finds out when they arrived.
 */
__noinline int tls_plain_passes(u32 slot, u32 moved, u32 all, u32 writes)
{
	struct conn *c = conn_of(slot);
	u32 length, left, taken = 0, usual = 0, i;
	u64 first, time, then = 0;
	struct backlog *q;
	bool is_new;

	if (!c || c->ktls_rx)
		return 0;
	is_new = tls_is_new(c);
	if (c->role == ROLE_CLIENT || writes) {
		if (c->role == ROLE_CLIENT)
			tls_queue_give_back(c);
		else if (is_new)
			tls_waits_on(c);
		return 0;
	}
	first = *tls_waiting(c);
	time = is_new ? c->tls_arrived & ~(TLS_ARRIVAL_OLD | TLS_ARRIVAL_UNSURE) : first;
	length = c->tls_record;
	q = tls_queue_of(c);
	if (!first && length && !is_new) {
		if (length < TLS_RECORDS_MIXED && tls_holds(length, moved, false) &&
		    !(all && length <= TLS_RECORD_USUAL && q &&
		      tls_holds_usually(q->seq[q->first % BACKLOG], moved, true))) {
			c->tls_record = all ? 0 : length - moved;
			return 0; /* more of it */
		}
		if (length == TLS_RECORDS_MIXED)
			c->tls_time = 0;
		if (length >= TLS_RECORDS_MIXED)
			return 0;
	}
	c->tls_arrived = 0;
	if (length >= TLS_RECORDS_MIXED) {
		c->tls_time = time == TLS_ARRIVAL_MISSED ? 0 : time;
		return 0;
	}
	left = 0;
	for (i = 0; i < TLS_RECORDS_NEXT; i++) {
		u64 at = first;
		u32 place;

		if (i) {
			if (!q)
				break;
			/* or the address is computed before the verifier sees the test */
			asm volatile("" : "+r"(q));
			if (q->first + i > q->head)
				break;
			place = (q->first + i - 1) % BACKLOG;
			length = q->seq[place];
			at = q->time[place];
		} else if (!first) {
			continue;
		}
		if (is_new && !all && tls_is_finished(length))
			continue;
		if (usual || !(tls_holds_usually(length, moved, all) ||
			       (!taken && tls_holds(length, moved, all))))
			continue;
		usual = tls_holds_usually(length, moved, all);
		taken = i + 1;
		then = at;
		left = all ? 0 : length - moved;
	}
	if (taken) {
		time = then;
		tls_records_taken(c, q, taken, left);
	} else if (first || q) { /* ciphers with more, or padding */
		tls_mix(c, 0);
		time = is_new ? time : 0;
	}
	c->tls_time = time == TLS_ARRIVAL_MISSED ? 0 : time;
	return 0;
}

/*
 * A library wants more than it has received, or has nothing to read: of all that wait only a record
 * of which more is to come may be read yet.
 */
__noinline int tls_reads_more(u32 slot)
{
	struct conn *c = conn_of(slot);
	struct backlog *q;
	u64 *waits;
	u32 last;

	if (!c)
		return 0;
	waits = tls_waiting(c);
	q = tls_queue_of(c);
	if (c->tls_left && c->tls_left != TLS_LEFT_UNKNOWN) {
		if (q && q->head) {
			last = (q->head - 1) % BACKLOG;
			*waits = q->time[last] ?: TLS_ARRIVAL_MISSED;
			c->tls_record = q->seq[last];
			tls_queue_give_back(c);
			return 0;
		}
		if (*waits && c->tls_record != TLS_RECORDS_MIXED)
			return 0;
	}
	/* what there may be more of is not told apart */
	*waits = c->tls_left ? TLS_ARRIVAL_MISSED : 0;
	c->tls_record = c->tls_left ? TLS_RECORDS_MIXED : 0;
	tls_queue_give_back(c);
	return 0;
}

/* The length is known of the record that waits as the last one. */
__noinline int tls_record_is(u32 slot, u32 length)
{
	struct conn *c = conn_of(slot);
	struct backlog *q;

	if (!c)
		return 0;
	q = tls_queue_of(c);
	if (q && q->head && q->seq[(q->head - 1) % BACKLOG] == TLS_RECORD_CUT)
		q->seq[(q->head - 1) % BACKLOG] = length;
	else if (!q && c->tls_record == TLS_RECORD_CUT)
		c->tls_record = length;
	return 0;
}

/* A record begins with what is received first since a library wanted more: no other waits. */
static __always_inline void tls_begins_again(struct conn *c)
{
	if (c->tls_arrived != TLS_ARRIVAL_MISSED || c->tls_record != TLS_RECORDS_MIXED)
		return;
	c->tls_arrived = 0;
	c->tls_record = 0;
}

/* Whether a record's head begins with these bytes, of which N are there, up to five. */
static __always_inline bool tls_is_head(u64 bytes, u32 n)
{
	u8 type = bytes;

	return type >= TLS_CHANGE_CIPHER_SPEC && type <= TLS_HEARTBEAT &&
	       (n < 2 || (bytes >> 8 & 0xff) == 3) &&
	       (n < 4 || (bytes >> 24 & 0xff) <= TLS_RECORD_MOST >> 8);
}

/* With a number: it was not known whether a record begins there. */
#define TLS_AGAIN (1ULL << 32)

/*
 * A record's head is at ADDRESS, of which N bytes are there, up to five; SEQ is the number of the
 * first, with TLS_AGAIN. Returns how much of the record comes behind the head, TLS_LEFT_CUT with
 * what is said there, or TLS_LEFT_UNKNOWN: it is no head.
 */
__noinline u32 tls_head(u32 slot, u64 address, u32 n, u64 seq_and_again)
{
	struct conn *c = conn_of(slot);
	u64 head = 0, time;
	u32 length, seq = seq_and_again;
	bool data;

	n = at_most(n, TLS_RECORD_HEAD);
	if (!c || bpf_probe_read_user(&head, n, (void *)address) || !tls_is_head(head, n))
		return TLS_LEFT_UNKNOWN;
	if (seq_and_again & TLS_AGAIN)
		tls_begins_again(c);
	length = (head >> 16 & 0xff00) | (head >> 32 & 0xff);
	data = (u8)head == TLS_APPLICATION_DATA; /* of the application, or it looks so */
	if (data) {
		if (!c->tls_data && tls_is_new(c)) {
			time = arrival_of(c, seq);
			c->tls_arrived = time ?: TLS_ARRIVAL_MISSED;
		}
		c->tls_data = 1;
		tls_record_begins(slot, seq, n < TLS_RECORD_HEAD ? TLS_RECORD_CUT : length);
	}
	if (n == TLS_RECORD_HEAD)
		return length;
	return TLS_LEFT_CUT | (data ? TLS_LEFT_CUT_DATA : 0) | n << 8 | (head >> 24 & 0xff);
}

/*
 * The rest of a head that was cut, as LEFT says, is at ADDRESS, of which up to MOST bytes are
 * there. Returns the same as tls_head().
 */
__noinline u32 tls_rest_of_head(u32 slot, u64 address, u32 most, u32 left)
{
	u32 have = left >> 8 & 7, n = at_most(TLS_RECORD_HEAD - have, TLS_RECORD_HEAD - 1), length;
	u64 head = 0;

	n = at_most(n < most ? n : most, TLS_RECORD_HEAD - 1);
	if (bpf_probe_read_user(&head, n, (void *)address))
		return TLS_LEFT_UNKNOWN;
	head <<= 8 * have;
	if (have == TLS_RECORD_HEAD - 1) /* the fourth byte came before */
		head |= (u64)(left & 0xff) << 24;
	have += n;
	if (have < TLS_RECORD_HEAD)
		return (left & (TLS_LEFT_CUT | TLS_LEFT_CUT_DATA)) | have << 8 |
		       (head >> 24 & 0xff);
	length = (head >> 16 & 0xff00) | (head >> 32 & 0xff);
	if (left & TLS_LEFT_CUT_DATA)
		tls_record_is(slot, length);
	return length;
}

/*
 * Follows the records of what a server has received last, LENGTH bytes at ADDRESS, so that it is
 * known whether more of one is to come, and when each came. Up to TLS 1.2 the first that is not of
 * a handshake (RFC 8446, section 5.1) carries the request, and may have been received together with
 * the end of the handshake, long after that came.
 */
__noinline int tls_records(u32 slot, u64 address, u32 length)
{
	struct conn *c = conn_of(slot);
	u32 left, n, i;
	u64 seq;

	if (!c)
		return 0;
	left = c->tls_left;
	seq = (u32)(c->rx_pos - length);
	c->tls_left = TLS_LEFT_UNKNOWN;
	if (left == TLS_LEFT_UNKNOWN && !tls_is_new(c)) {
		left = 0; /* it may be that a record begins here */
		seq |= TLS_AGAIN;
	} else if (left != TLS_LEFT_UNKNOWN && left & TLS_LEFT_CUT) {
		n = TLS_RECORD_HEAD - (left >> 8 & 7);
		n = n < length ? n : length;
		left = tls_rest_of_head(slot, address, length, left);
		address += n;
		length -= n;
		seq = (u32)(seq + n);
	}
	for (i = 0; i < TLS_RECORDS; i++) {
		if (left == TLS_LEFT_UNKNOWN)
			break;
		if (left & TLS_LEFT_CUT || left >= length) {
			c->tls_left = left & TLS_LEFT_CUT ? left : left - length;
			return 0;
		}
		address += left;
		length -= left;
		n = length < TLS_RECORD_HEAD ? length : TLS_RECORD_HEAD;
		seq = (seq & TLS_AGAIN) | (u32)(seq + left);
		left = tls_head(slot, address, n, seq);
		address += n;
		length -= n;
		seq = (u32)(seq + n);
	}
	tls_record_begins(slot, seq, TLS_RECORDS_AT_ONCE);
	return 0;
}

/*
 * The same for the first that a server receives, as deep as they are recognised: what is there
 * behind the ClientHello may be early data (RFC 8446, section 2.3).
 */
__noinline int tls_first_records(u32 slot, u64 address, u32 length)
{
	struct conn *c = conn_of(slot);
	u8 head[TLS_RECORD_HEAD];
	u32 left, seq, i, data = 0;

	if (!c || c->tls_data)
		return 0;
	seq = c->rx_pos - length;
	left = c->tls_left;
	c->tls_left = TLS_LEFT_UNKNOWN;
	for (i = 0; i < TLS_RECORDS_FIRST && left != TLS_LEFT_UNKNOWN; i++) {
		if (left >= length) {
			c->tls_left = left - length;
			break;
		}
		address += left;
		length -= left;
		seq += left;
		if (length < sizeof(head) ||
		    bpf_probe_read_user(head, sizeof(head), (void *)address) || head[1] != 3)
			break;
		left = sizeof(head) + (head[3] << 8 | head[4]);
		if (head[0] != TLS_APPLICATION_DATA)
			continue;
		c->tls_record = c->tls_data ? TLS_RECORDS_MIXED : left - sizeof(head);
		if (!c->tls_data)
			data = seq;
		c->tls_data = 1;
	}
	if (c->tls_data) {
		c->tls_arrived = find_arrival(c, data, true) ?: TLS_ARRIVAL_MISSED;
		c->tls_time = c->tls_arrived;
	}
	return 0;
}

#endif
