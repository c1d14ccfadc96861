// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* http1_response. */
#include "harness.h"

static bool is_digit(u8 c)
{
	return c >= '0' && c <= '9';
}

/* Reads the grammar from left to right; 13 bytes decide about the status. */
static int reference(const u8 *p, size_t n, u16 *status)
{
	int code;

	if (!same_start("HTTP/1.", (const char[]){"HTTP/1."}, 7) || memcmp(p, "HTTP/1.", n < 7 ? n : 7))
		return HTTP1_NO;
	if (n > 7 && !is_digit(p[7]))
		return HTTP1_NO;
	if (n < 13)
		return HTTP1_PARTIAL;
	*status = STATUS_OTHER;
	if (p[8] != ' ' || !is_digit(p[9]) || !is_digit(p[10]) || !is_digit(p[11]))
		return HTTP1_YES;
	if (p[12] != ' ' && p[12] != '\r' && p[12] != '\n')
		return HTTP1_YES;
	code = 100 * (p[9] - '0') + 10 * (p[10] - '0') + p[11] - '0';
	if (code >= 100 && code < 600)
		*status = code;
	return HTTP1_YES;
}
