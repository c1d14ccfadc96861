/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * gRPC over HTTP/2: its statuses, and the content types by which it is known. The rules are those
 * of doc/PROTOCOL-HTTP2.md and doc/statuscodes.md of gRPC. Pure; it needs u8 to u64 defined.
 */
#ifndef FATHOM_GRPC_H
#define FATHOM_GRPC_H

#include "bytes.h"
#include "http2_codes.h"

enum grpc_status {
	GRPC_OK,
	GRPC_CANCELLED,
	GRPC_UNKNOWN,
	GRPC_INVALID_ARGUMENT,
	GRPC_DEADLINE_EXCEEDED,
	GRPC_NOT_FOUND,
	GRPC_ALREADY_EXISTS,
	GRPC_PERMISSION_DENIED,
	GRPC_RESOURCE_EXHAUSTED,
	GRPC_FAILED_PRECONDITION,
	GRPC_ABORTED,
	GRPC_OUT_OF_RANGE,
	GRPC_UNIMPLEMENTED,
	GRPC_INTERNAL,
	GRPC_UNAVAILABLE,
	GRPC_DATA_LOSS,
	GRPC_UNAUTHENTICATED,
	GRPC_COUNT,
};

/* In the place of a status. */
#define GRPC_STATUS_OTHER 0xfd	 /* something else than a number from 0 to 16 */
#define GRPC_STATUS_UNKNOWN 0xfe /* it may be there, and what it is was not seen */
#define GRPC_STATUS_NONE 0xff

/*
 * Whether a content type of LENGTH bytes is gRPC's: "application/grpc" alone, or with "+" and a
 * codec or ";" and parameters behind it. So neither application/grpc-web, which has its status in
 * the body, nor application/connect+proto. LO and HI are the first 16 bytes, zero behind the last,
 * and BEHIND is the byte that follows them.
 */
static __always_inline bool grpc_content_type(u64 lo, u64 hi, u8 behind, u32 length)
{
	return lo == GRPC_TYPE_LO && hi == GRPC_TYPE_HI &&
	       (length == GRPC_TYPE_LENGTH || behind == '+' || behind == ';');
}

/*
 * The same in Huffman code, where the prefix ends at the end of a byte. "+" is 11 bits of which
 * the first eight are 1, as they are of no other character that a content type may have there;
 * ";" is 0xfb.
 */
static __always_inline bool grpc_coded_content_type(u64 lo, u64 hi, u32 length)
{
	u32 prefix = 8 * (GRPC_CODED_TYPE_LENGTH - 8);
	u8 behind = hi >> prefix;

	return lo == GRPC_CODED_TYPE_LO && !((hi ^ GRPC_CODED_TYPE_HI) << (64 - prefix)) &&
	       (length == GRPC_CODED_TYPE_LENGTH || behind == 0xfb ||
		(behind == 0xff && (u8)(hi >> (prefix + 8)) >> 5 == 3));
}

#endif
