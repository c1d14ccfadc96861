// SPDX-License-Identifier: Apache-2.0
/*
 * An HTTP server that moves every byte through an io_uring (liburing), as a test asks for:
 *
 *	uring-server recv|multishot|msg|zerocopy|fixed
 *
 * recv	     receives into buffers that it provided to the ring, sends by IORING_OP_SEND
 * multishot the same, by one request that yields many completions
 * msg	     IORING_OP_RECVMSG and IORING_OP_SENDMSG, over two pieces each
 * zerocopy  receives as recv does, sends by IORING_OP_SEND_ZC
 * fixed     the same, from a buffer that is registered with the ring
 *
 * It prints the address where it listens. /STATUS is answered with that status. One thread, one
 * ring; it accepts by one multishot request. Needs Linux 6.0.
 */
#include <arpa/inet.h>
#include <err.h>
#include <liburing.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define CONNECTIONS 512 /* the highest descriptor */
#define BUFFERS 64	/* in the ring, a power of two */
#define BUFFER_SIZE 4096
#define GROUP 1
#define HEAD_SIZE 8192

enum op { ACCEPT, RECV, SEND };

struct connection {
	char head[HEAD_SIZE + 1];
	size_t head_length;
	size_t body_left;
	char in[BUFFER_SIZE]; /* without provided buffers */
	char out[256];
	size_t out_length;
	size_t out_done;
	bool closing;
	struct iovec iov[2];
	struct msghdr message;
};

static struct io_uring ring;
static struct io_uring_buf_ring *buffers;
static char buffer[BUFFERS][BUFFER_SIZE];
static char fixed_out[CONNECTIONS][256];
static struct connection *connections[CONNECTIONS];
static const char *way;

static bool is(const char *name)
{
	return !strcmp(way, name);
}

static struct io_uring_sqe *next(void)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	if (!sqe) {
		io_uring_submit(&ring);
		sqe = io_uring_get_sqe(&ring);
	}
	if (!sqe)
		errx(1, "the submission queue is full");
	return sqe;
}

static void tag(struct io_uring_sqe *sqe, enum op op, int fd)
{
	io_uring_sqe_set_data64(sqe, (__u64)op << 32 | (__u32)fd);
}

static void receive(int fd)
{
	struct connection *c = connections[fd];
	struct io_uring_sqe *sqe = next();

	if (is("msg")) {
		c->iov[0] = (struct iovec){c->in, 16};
		c->iov[1] = (struct iovec){c->in + 16, sizeof(c->in) - 16};
		c->message = (struct msghdr){.msg_iov = c->iov, .msg_iovlen = 2};
		io_uring_prep_recvmsg(sqe, fd, &c->message, 0);
		tag(sqe, RECV, fd);
		return;
	}
	if (is("multishot"))
		io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
	else
		io_uring_prep_recv(sqe, fd, NULL, BUFFER_SIZE, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = GROUP;
	tag(sqe, RECV, fd);
}

static void transmit(int fd)
{
	struct connection *c = connections[fd];
	struct io_uring_sqe *sqe = next();
	char *data = c->out + c->out_done;
	size_t length = c->out_length - c->out_done;

	if (is("msg")) {
		size_t first = length < 5 ? length : 5;

		c->iov[0] = (struct iovec){data, first};
		c->iov[1] = (struct iovec){data + first, length - first};
		c->message = (struct msghdr){.msg_iov = c->iov, .msg_iovlen = 2};
		io_uring_prep_sendmsg(sqe, fd, &c->message, 0);
	} else if (is("zerocopy")) {
		io_uring_prep_send_zc(sqe, fd, data, length, 0, 0);
	} else if (is("fixed")) {
		memcpy(fixed_out[fd], c->out, c->out_length);
		io_uring_prep_send_zc_fixed(sqe, fd, fixed_out[fd] + c->out_done, length, 0, 0, 0);
	} else {
		io_uring_prep_send(sqe, fd, data, length, 0);
	}
	tag(sqe, SEND, fd);
}

static void answer(int fd)
{
	struct connection *c = connections[fd];
	const char *path = strchr(c->head, '/');
	int status = path ? atoi(path + 1) : 400;
	bool body = strncmp(c->head, "HEAD ", 5) && status != 204 && status != 304;

	c->out_length = snprintf(c->out, sizeof(c->out), "HTTP/1.1 %d Some\r\n%s\r\n%s", status,
				 status == 204 ? "" : "Content-Length: 2\r\n", body ? "ok" : "");
	c->out_done = 0;
	c->head_length = 0;
	transmit(fd);
}

static size_t content_length(const char *head)
{
	const char *line;

	for (line = strstr(head, "\r\n"); line; line = strstr(line + 2, "\r\n"))
		if (!strncasecmp(line + 2, "Content-Length:", 15))
			return strtoul(line + 17, NULL, 10);
	return 0;
}

/* Bytes of a request have come. Requests are not pipelined. */
static void take(int fd, const char *data, size_t length)
{
	struct connection *c = connections[fd];
	size_t n = length;
	char *end;

	if (c->body_left) {
		c->body_left -= n < c->body_left ? n : c->body_left;
		if (!c->body_left)
			answer(fd);
		return;
	}
	if (n > HEAD_SIZE - c->head_length)
		errx(1, "a head of more than %d bytes", HEAD_SIZE);
	memcpy(c->head + c->head_length, data, n);
	c->head_length += n;
	c->head[c->head_length] = 0;
	end = strstr(c->head, "\r\n\r\n");
	if (!end)
		return;
	end += 4;
	c->body_left = content_length(c->head);
	n = c->head + c->head_length - end;
	c->body_left -= n < c->body_left ? n : c->body_left;
	if (!c->body_left)
		answer(fd);
}

static void end(int fd)
{
	free(connections[fd]);
	connections[fd] = NULL;
	close(fd);
}

static void accepted(struct io_uring_cqe *cqe)
{
	if (cqe->res < 0)
		errx(1, "accept: %s", strerror(-cqe->res));
	if (cqe->res >= CONNECTIONS)
		errx(1, "more than %d connections", CONNECTIONS);
	connections[cqe->res] = calloc(1, sizeof(struct connection));
	if (!connections[cqe->res])
		err(1, "a connection");
	receive(cqe->res);
}

static void received(int fd, struct io_uring_cqe *cqe)
{
	if (cqe->res == -ENOBUFS) { /* a multishot request that found none: again */
		receive(fd);
		return;
	}
	if (cqe->res <= 0) {
		end(fd);
		return;
	}
	if (cqe->flags & IORING_CQE_F_BUFFER) {
		int id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;

		take(fd, buffer[id], cqe->res);
		io_uring_buf_ring_add(buffers, buffer[id], BUFFER_SIZE, id,
				      io_uring_buf_ring_mask(BUFFERS), 0);
		io_uring_buf_ring_advance(buffers, 1);
	} else {
		take(fd, connections[fd]->in, cqe->res);
	}
	if (!(cqe->flags & IORING_CQE_F_MORE) && !is("msg"))
		receive(fd);
	else if (is("msg") && !connections[fd]->out_length)
		receive(fd);
}

static void sent(int fd, struct io_uring_cqe *cqe)
{
	struct connection *c = connections[fd];

	if (cqe->flags & IORING_CQE_F_NOTIF || !c)
		return; /* a zero-copy send is done with the buffer */
	if (cqe->res < 0)
		errx(1, "send: %s", strerror(-cqe->res));
	c->out_done += cqe->res;
	if (c->out_done < c->out_length) {
		transmit(fd);
		return;
	}
	c->out_length = 0;
	if (is("msg")) /* its msghdr served both directions */
		receive(fd);
}

static int listening(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 128) ||
	    getsockname(fd, (struct sockaddr *)&a, &size))
		err(1, "listen");
	printf("127.0.0.1:%d\n", ntohs(a.sin_port));
	fflush(stdout);
	return fd;
}

static void provide_buffers(void)
{
	struct io_uring_buf_reg reg = {.ring_entries = BUFFERS, .bgid = GROUP};
	int i, e;

	if (posix_memalign((void **)&buffers, 4096, BUFFERS * sizeof(struct io_uring_buf)))
		err(1, "buffers");
	reg.ring_addr = (unsigned long)buffers;
	e = io_uring_register_buf_ring(&ring, &reg, 0);
	if (e)
		errx(1, "register the buffer ring: %s", strerror(-e));
	io_uring_buf_ring_init(buffers);
	for (i = 0; i < BUFFERS; i++)
		io_uring_buf_ring_add(buffers, buffer[i], BUFFER_SIZE, i,
				      io_uring_buf_ring_mask(BUFFERS), i);
	io_uring_buf_ring_advance(buffers, BUFFERS);
}

int main(int argc, char **argv)
{
	struct iovec fixed = {fixed_out, sizeof(fixed_out)};
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;
	int e, listener;

	if (argc != 2)
		errx(2, "usage: %s recv|multishot|msg|zerocopy|fixed", argv[0]);
	way = argv[1];
	e = io_uring_queue_init(256, &ring, 0);
	if (e)
		errx(1, "io_uring: %s", strerror(-e));
	provide_buffers();
	if (is("fixed")) {
		e = io_uring_register_buffers(&ring, &fixed, 1);
		if (e)
			errx(1, "register a buffer: %s", strerror(-e));
	}
	listener = listening();
	sqe = next();
	io_uring_prep_multishot_accept(sqe, listener, NULL, NULL, 0);
	tag(sqe, ACCEPT, listener);
	for (;;) {
		e = io_uring_submit_and_wait(&ring, 1);
		if (e < 0 && e != -EINTR)
			errx(1, "wait: %s", strerror(-e));
		while (!io_uring_peek_cqe(&ring, &cqe)) {
			int fd = (__u32)cqe->user_data;

			switch (cqe->user_data >> 32) {
			case ACCEPT:
				accepted(cqe);
				break;
			case RECV:
				received(fd, cqe);
				break;
			case SEND:
				sent(fd, cqe);
				break;
			}
			io_uring_cqe_seen(&ring, cqe);
		}
	}
}
