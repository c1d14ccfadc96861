/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Looking at 16 bytes at once, as two little-endian words: no loops, hardly a branch. Pure; it
 * needs u8 to u64 defined.
 */
#ifndef FATHOM_BYTES_H
#define FATHOM_BYTES_H

#define BYTES_ALL(c) (0x0101010101010101ULL * (c))

/* A word of which the lowest N (0 to 8) bytes are all ones. */
static __always_inline u64 bytes_low(u32 n)
{
	return n >= 8 ? ~0ULL : (1ULL << 8 * n) - 1;
}

/* Sets all but the first N (0 to 16) of 16 bytes to zero. */
static __always_inline void bytes_cut(u64 *lo, u64 *hi, u32 n)
{
	if (n < 8) {
		*lo &= bytes_low(n);
		*hi = 0;
	} else {
		*hi &= bytes_low(n - 8);
	}
}

/* The 8 bytes that begin at byte I (0 to 15) of 16; zero behind the last. */
static __always_inline u64 bytes_from(u64 lo, u64 hi, u32 i)
{
	u32 shift = 8 * (i & 7);

	if (i >= 8)
		return hi >> shift;
	return shift ? lo >> shift | hi << (64 - shift) : lo;
}

/* 0x80 for each byte of W that equals C, 0 for each other (exact). */
static __always_inline u64 bytes_equal(u64 w, u8 c)
{
	u64 x = w ^ BYTES_ALL(c);

	return ~(((x & BYTES_ALL(0x7f)) + BYTES_ALL(0x7f)) | x) & BYTES_ALL(0x80);
}

/* 0x80 for each byte of W that is less than C (1 to 128), 0 for each other (exact). */
static __always_inline u64 bytes_below(u64 w, u8 c)
{
	return ~(((w | BYTES_ALL(0x80)) - BYTES_ALL(c)) | w) & BYTES_ALL(0x80);
}

/* The number of the lowest byte of W that is 0x80, where all others are that or 0. */
static __always_inline u32 bytes_lowest(u64 w)
{
	/* One bit is left; multiplying by it moves its number into the highest byte. */
	return ((w & -w) >> 7) * 0x0001020304050607ULL >> 56;
}

/* The same for 16 bytes; 16 where there is none. */
static __always_inline u32 bytes_first(u64 lo, u64 hi)
{
	if (lo)
		return bytes_lowest(lo);
	return hi ? 8 + bytes_lowest(hi) : 16;
}

/* 0x80 for each byte of W that is no decimal digit, 0 for each other. */
static __always_inline u64 bytes_not_digit(u64 w)
{
	return bytes_below(w, '0') | (~bytes_below(w, ':') & BYTES_ALL(0x80));
}

/* The number of which the first N (0 to 8) bytes of W are the decimal digits. */
static __always_inline u64 bytes_decimal(u64 w, u32 n)
{
	/* The last digit into the highest byte; then neighbours are added up, thrice. */
	w = n ? (w & BYTES_ALL(0x0f)) << (64 - 8 * n) : 0;
	w = (10 * w + (w >> 8)) & 0x00ff00ff00ff00ffULL;
	w = (100 * w + (w >> 16)) & 0x0000ffff0000ffffULL;
	return (10000 * w + (w >> 32)) & 0xffffffff;
}

#endif
