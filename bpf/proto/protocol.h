/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The protocols whose exchanges are counted. internal/protocol has what they are called. */
#ifndef FATHOM_PROTOCOL_H
#define FATHOM_PROTOCOL_H

enum protocol {
	PROTOCOL_NONE,
	PROTOCOL_HTTP1,
	PROTOCOL_REDIS,
	PROTOCOL_HTTP2,
	PROTOCOL_GRPC, /* on connections of CLASS_HTTP2 */
	PROTOCOL_COUNT,
};

/* Statuses of every protocol, above what they number themselves; beside STATUS_OTHER, 0xffff. */
enum common_status {
	/* a stream was given up before it was over: */
	STATUS_RESET_BY_CLIENT = 0xfffa,
	STATUS_RESET_BY_SERVER = 0xfffb,
	STATUS_REFUSED = 0xfffc, /* by the server, which did nothing for it */
	STATUS_UNKNOWN = 0xfffd, /* what the response said was not seen */
	STATUS_ABORTED = 0xfffe, /* the connection ended before the response began */
};

#endif
