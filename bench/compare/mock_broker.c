/* The C bound: one epoll loop that does the least a broker must do with a
 * produced batch (read, CRC, stamp offset and epoch, append to the page cache,
 * answer) and with a fetch (read from the page cache, answer). It understands
 * only the frames of frames.h, one partition, batches of one size.
 *
 * Like kf it writes batches of 16 KB and more where they lie and gathers
 * smaller ones into one staging write per turn: protocol bytes lie between
 * batches, so whole frames can't be written.
 *
 *   mock_broker DATA_FILE    prints its port, serves until SIGTERM */
#define _GNU_SOURCE
#include "frames.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define IN (256 << 10) /* what kf reads into, too: it stays in the cache */
#define OUT (2 << 20)
#define GATHER_BELOW 16384

struct connection {
  int fd;
  size_t in_length, out_length, out_sent;
  uint8_t *in, *out;
};

static int data;
static uint64_t end_position, end_offset;
static size_t batch_bytes, batch_records;
static uint8_t staging[1 << 20];
static size_t staged;

static void write_all(const uint8_t *p, size_t n) {
  while (n) {
    ssize_t w = pwrite(data, p, n, (off_t)end_position);
    if (w < 0) die("pwrite");
    p += w;
    n -= (size_t)w;
    end_position += (uint64_t)w;
  }
}

static void write_staged(void) {
  if (staged) write_all(staging, staged);
  staged = 0;
}

static size_t answer_produce(uint8_t *out, uint32_t correlation, uint8_t *body) {
  uint8_t *p = body + 2 + 2 + 4 + 4; /* null transactional id, acks, timeout, one topic */
  uint16_t name = get16(p);
  uint8_t *topic = p;
  uint8_t *batch = p + 2 + name + 4 + 4 + 4;
  size_t size = get32(batch - 4);
  int error = crc32c(batch + 21, size - 21) == get32(batch + 17) ? 0 : 2;
  uint64_t base = end_offset;
  put64(batch, base);
  put32(batch + 12, 0);
  batch_bytes = size;
  batch_records = get32(batch + 57);
  end_offset += batch_records;
  if (size >= GATHER_BELOW) {
    write_staged();
    write_all(batch, size);
  } else {
    if (staged + size > sizeof staging) write_staged();
    memcpy(staging + staged, batch, size);
    staged += size;
  }
  size_t at = 8;
  put32(out + 4, correlation);
  put32(out + at, 1);
  at += 4;
  memcpy(out + at, topic, name + 2u);
  at += name + 2u;
  put32(out + at, 1);
  put32(out + at + 4, 0);
  put16(out + at + 8, (uint16_t)error);
  put64(out + at + 10, base);
  put64(out + at + 18, ~0ull);
  put64(out + at + 26, 0);
  put32(out + at + 34, 0);
  at += 38;
  put32(out, (uint32_t)(at - 4));
  return at;
}

static size_t answer_fetch(uint8_t *out, size_t room, uint32_t correlation, uint8_t *body) {
  write_staged();
  uint8_t *topic = body + 4 + 4 + 4 + 4 + 1 + 4;
  uint16_t name = get16(topic);
  uint8_t *partition = topic + 2 + name + 4;
  uint64_t offset = get64(partition + 4);
  size_t max = get32(partition + 12);
  size_t at = 8;
  put32(out + 4, correlation);
  put32(out + at, 0);
  put32(out + at + 4, 1);
  at += 8;
  memcpy(out + at, topic, name + 2u);
  at += name + 2u;
  put32(out + at, 1);
  put32(out + at + 4, 0);
  put16(out + at + 8, 0);
  put64(out + at + 10, end_offset);
  put64(out + at + 18, end_offset);
  put32(out + at + 26, 0);
  at += 34;
  uint64_t position = batch_records ? offset / batch_records * batch_bytes : 0;
  if (max > room - at) max = room - at;
  if (batch_bytes) max -= max % batch_bytes;
  ssize_t n = pread(data, out + at, max, (off_t)position);
  if (n < 0) die("pread");
  put32(out + at - 4, (uint32_t)n);
  at += (size_t)n;
  put32(out, (uint32_t)(at - 4));
  return at;
}

static int flush_out(struct connection *c) {
  while (c->out_sent < c->out_length) {
    ssize_t n = write(c->fd, c->out + c->out_sent, c->out_length - c->out_sent);
    if (n < 0) return errno == EAGAIN ? 0 : -1;
    c->out_sent += (size_t)n;
  }
  c->out_length = c->out_sent = 0;
  return 0;
}

static void work(struct connection *c) {
  size_t at = 0;
  while (c->in_length - at >= 4 && c->out_length < OUT / 2) {
    size_t size = get32(c->in + at);
    if (c->in_length - at - 4 < size) break;
    uint8_t *frame = c->in + at + 4;
    uint32_t correlation = get32(frame + 4);
    uint8_t *body = frame + 10 + get16(frame + 8);
    if (get16(frame) == 0) {
      c->out_length += answer_produce(c->out + c->out_length, correlation, body);
    } else {
      c->out_length += answer_fetch(c->out + c->out_length, OUT - c->out_length, correlation, body);
    }
    at += 4 + size;
  }
  if (at) memmove(c->in, c->in + at, c->in_length - at);
  c->in_length -= at;
}

static void drop(struct connection *c) {
  close(c->fd);
  free(c->in);
  free(c->out);
  free(c);
}

/* Edge-triggered: goes on until the socket has no more to read or no room to
 * write, in which case the next edge calls again. */
static void serve(struct connection *c) {
  for (;;) {
    if (flush_out(c) < 0) return drop(c);
    if (c->out_length) return;
    ssize_t n = read(c->fd, c->in + c->in_length, IN - c->in_length);
    if (n == 0 || (n < 0 && errno != EAGAIN)) return drop(c);
    if (n > 0) c->in_length += (size_t)n;
    size_t before = c->in_length;
    work(c);
    write_staged();
    if (n < 0 && c->in_length == before) return;
  }
}

int main(int argc, char **argv) {
  if (argc != 2) return fprintf(stderr, "usage: mock_broker DATA_FILE\n"), 2;
  data = open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0644);
  if (data < 0) die(argv[1]);
  int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  if (bind(listener, (void *)&address, length) || listen(listener, 128)) die("listen");
  getsockname(listener, (void *)&address, &length);
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  int loop = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, ready[64];
  epoll_ctl(loop, EPOLL_CTL_ADD, listener, &event);
  for (;;) {
    int n = epoll_wait(loop, ready, 64, -1);
    for (int i = 0; i < n; i++) {
      if (ready[i].data.ptr) {
        serve(ready[i].data.ptr);
        continue;
      }
      struct connection *c = calloc(1, sizeof *c);
      c->fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
      c->in = malloc(IN);
      c->out = malloc(OUT);
      setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      event = (struct epoll_event){.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
      epoll_ctl(loop, EPOLL_CTL_ADD, c->fd, &event);
    }
  }
}
