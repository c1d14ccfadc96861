/*
 * An HTTPS server and client that block, with a thread for each connection:
 *     peer [strict|broken] LIBRARY STYLE serve CERTIFICATE KEY
 *     peer [strict|broken] LIBRARY STYLE get PORT REQUESTS CONNECTIONS METHOD:PATH:BODY...
 * The server prints where it listens, and answers /STATUS with that status. The client prints how
 * often it received which: METHOD STATUS COUNT. Strict puts on a filter for system calls first;
 * broken, then makes one that kills it.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "strict.h"
#include "tls.h"

#define LARGE 40000 /* more than two records */

static bool apart; /* head and body in calls of their own */
static char large[LARGE];

void *load(const char *path)
{
	void *library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);

	if (!library) {
		fprintf(stderr, "%s\n", dlerror());
		exit(2);
	}
	return library;
}

void *need(void *library, const char *name)
{
	void *f = dlsym(library, name);

	if (!f) {
		fprintf(stderr, "%s\n", dlerror());
		exit(2);
	}
	return f;
}

struct conn {
	void *session;
	size_t have;
	char buf[16385];
};

/* Receives more, behind what is there. */
static bool more(struct conn *c)
{
	long n = c->have < sizeof(c->buf) - 1 ?
			 tls_read(c->session, c->buf + c->have, sizeof(c->buf) - 1 - c->have) :
			 0;

	if (n <= 0)
		return false;
	c->have += n;
	c->buf[c->have] = 0;
	return true;
}

static void drop(struct conn *c, size_t n)
{
	memmove(c->buf, c->buf + n, c->have - n + 1);
	c->have -= n;
}

/*
 * Takes a head off the connection, and what its Content-Length says is behind it unless it is
 * BODILESS. LINE is the first line.
 */
static bool take(struct conn *c, char *line, size_t size, bool bodiless)
{
	size_t left = 0, n;
	char *end, *field;

	while (!(end = c->have ? strstr(c->buf, "\r\n\r\n") : NULL))
		if (!more(c))
			return false;
	end[2] = 0;
	snprintf(line, size, "%.*s", (int)strcspn(c->buf, "\r"), c->buf);
	field = strcasestr(c->buf, "\r\ncontent-length:");
	if (field && !bodiless)
		left = strtoul(field + strlen("\r\ncontent-length:"), NULL, 10);
	drop(c, end + 4 - c->buf);
	for (;;) {
		n = left < c->have ? left : c->have;
		drop(c, n);
		left -= n;
		if (!left)
			return true;
		if (!more(c))
			return false;
	}
}

static bool put(struct conn *c, const char *head, const char *body, size_t length)
{
	char all[512 + LARGE];
	size_t n = strlen(head);

	if (apart)
		return tls_write(c->session, head, n) &&
		       (!length || tls_write(c->session, body, length));
	memcpy(all, head, n);
	memcpy(all + n, body, length);
	return tls_write(c->session, all, n + length);
}

static void *answer(void *argument)
{
	int fd = (int)(long)argument, status;
	struct conn *c = calloc(1, sizeof(*c));
	char line[256], method[16], head[128];

	c->session = tls_begin(fd, true);
	while (c->session && take(c, line, sizeof(line), false)) {
		size_t length;

		if (sscanf(line, "%15s /%d ", method, &status) != 2)
			break;
		length = status == 404 ? LARGE : 2;
		if (status == 204 || status == 304)
			length = 0;
		snprintf(head, sizeof(head), "HTTP/1.1 %d Answer\r\nContent-Length: %zu\r\n\r\n",
			 status, length);
		if (!put(c, head, large, strcmp(method, "HEAD") ? length : 0))
			break;
	}
	if (c->session)
		tls_end(c->session);
	free(c);
	close(fd);
	return NULL;
}

static int thread(pthread_t *t, void *(*run)(void *), void *argument)
{
	pthread_attr_t small;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 512 << 10);
	return pthread_create(t, &small, run, argument);
}

static int serve(int listener)
{
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		pthread_t t;

		if (fd < 0 || thread(&t, answer, (void *)(long)fd))
			return 5;
		pthread_detach(t);
	}
}

static struct {
	char name[32];
	long count;
} counts[32];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static long next_request, requests, kinds;
static char **kind;
static struct sockaddr_in address = {.sin_family = AF_INET};

static void count(const char *method, int status)
{
	char name[32];

	snprintf(name, sizeof(name), "%.15s %d", method, status);
	pthread_mutex_lock(&mutex);
	for (int i = 0; i < 32; i++) {
		if (!counts[i].count)
			strcpy(counts[i].name, name);
		if (!strcmp(counts[i].name, name)) {
			counts[i].count++;
			break;
		}
	}
	pthread_mutex_unlock(&mutex);
}

static bool request(struct conn *c, const char *k)
{
	char method[16], path[64], head[256], line[256];
	int status;
	size_t body;
	long expected;

	if (sscanf(k, "%15[^:]:%63[^:]:%zu", method, path, &body) != 3 || body > LARGE)
		return false;
	if (body)
		snprintf(head, sizeof(head),
			 "%s %s HTTP/1.1\r\nHost: it\r\nContent-Length: %zu\r\n\r\n", method, path,
			 body);
	else
		snprintf(head, sizeof(head), "%s %s HTTP/1.1\r\nHost: it\r\n\r\n", method, path);
	expected = strtol(path + 1, NULL, 10);
	if (!put(c, head, large, body) ||
	    !take(c, line, sizeof(line),
		  !strcmp(method, "HEAD") || expected == 204 || expected == 304) ||
	    sscanf(line, "HTTP/1.1 %d", &status) != 1)
		return false;
	count(method, status);
	return true;
}

static void *ask(void *argument)
{
	struct conn *c = calloc(1, sizeof(*c));
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)argument;
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) ||
	    !(c->session = tls_begin(fd, false))) {
		fprintf(stderr, "cannot connect\n");
		exit(6);
	}
	for (;;) {
		long i = __atomic_fetch_add(&next_request, 1, __ATOMIC_RELAXED);

		if (i >= requests)
			break;
		if (!request(c, kind[i % kinds])) {
			fprintf(stderr, "request %ld failed\n", i);
			exit(7);
		}
	}
	tls_end(c->session);
	free(c);
	close(fd);
	return NULL;
}

static int get(int connections)
{
	pthread_t threads[256];

	for (int i = 0; i < connections; i++)
		if (thread(&threads[i], ask, NULL))
			return 5;
	for (int i = 0; i < connections; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < 32 && counts[i].count; i++)
		printf("%s %ld\n", counts[i].name, counts[i].count);
	fflush(stdout);
	return 0;
}

int main(int argc, char **argv)
{
	bool broken = argc > 1 && !strcmp(argv[1], "broken"),
	     strict = broken || (argc > 1 && !strcmp(argv[1], "strict"));
	socklen_t length = sizeof(address);
	int listener = -1;

	argc -= strict;
	argv += strict;
	if (argc < 6)
		return 1;
	signal(SIGPIPE, SIG_IGN);
	memset(large, 'x', sizeof(large));
	apart = !strcmp(argv[2], "ex") || !strcmp(argv[2], "apart");
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (!strcmp(argv[3], "serve")) {
		tls_load(argv[1], argv[2], argv[4], argv[5]);
		listener = socket(AF_INET, SOCK_STREAM, 0);
		if (bind(listener, (struct sockaddr *)&address, sizeof(address)) ||
		    listen(listener, 128) ||
		    getsockname(listener, (struct sockaddr *)&address, &length))
			return 5;
		printf("127.0.0.1:%d\n", ntohs(address.sin_port));
		fflush(stdout);
	} else {
		tls_load(argv[1], argv[2], NULL, NULL);
		address.sin_port = htons(atoi(argv[4]));
		requests = atol(argv[5]);
		kind = argv + 7;
		kinds = argc - 7;
	}
	if (strict)
		only_expected_calls();
	if (broken)
		getppid();
	return listener >= 0 ? serve(listener) :
			       get(argc > 7 && atoi(argv[6]) <= 256 ? atoi(argv[6]) : 0);
}
