/* The load: sends the same frames to kf's broker and to the C mock and says
 * how long the answers took, as one line of JSON.
 *
 *   load produce PORT TOPIC BATCH_BYTES RECORD_BYTES CONNECTIONS DEPTH TOTAL_BYTES
 *   load fetch   PORT TOPIC FETCH_BYTES 0            CONNECTIONS DEPTH TOTAL_BYTES
 *
 * Each connection keeps DEPTH requests in flight. Fetch reads on from the last
 * batch it got and begins again at offset 0 when the end is near. */
#define _GNU_SOURCE
#include "frames.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#define IN (8 << 20)
#define CONNECTIONS_MAX 64

struct peer {
  int fd;
  uint8_t *in, *out;
  size_t in_length, out_length, out_sent;
  uint64_t offset;
  int in_flight;
};

static int fetching, depth;
static size_t batch_bytes, total;
static const char *topic;
static uint8_t *batch;
static uint32_t batch_count;
static uint64_t asked, answered_bytes, answered_records, errors;

static size_t put_produce(uint8_t *p) {
  size_t at = put_header(p, 0, 7, 1);
  put16(p + at, 0xffff);
  put16(p + at + 2, 0xffff);
  put32(p + at + 4, 30000);
  put32(p + at + 8, 1);
  at += 12 + put_string(p + at + 12, topic);
  put32(p + at, 1);
  put32(p + at + 4, 0);
  put32(p + at + 8, (uint32_t)batch_bytes);
  memcpy(p + at + 12, batch, batch_bytes);
  at += 12 + batch_bytes;
  put32(p, (uint32_t)(at - 4));
  return at;
}

static size_t put_fetch(uint8_t *p, uint64_t offset) {
  size_t at = put_header(p, 1, 4, 1);
  put32(p + at, 0xffffffff);
  put32(p + at + 4, 500);
  put32(p + at + 8, 1);
  put32(p + at + 12, (uint32_t)batch_bytes);
  p[at + 16] = 0;
  put32(p + at + 17, 1);
  at += 21 + put_string(p + at + 21, topic);
  put32(p + at, 1);
  put32(p + at + 4, 0);
  put64(p + at + 8, offset);
  put32(p + at + 16, (uint32_t)batch_bytes);
  at += 20;
  put32(p, (uint32_t)(at - 4));
  return at;
}

static void produced(const uint8_t *frame) {
  const uint8_t *p = frame + 4 + 4;
  p += 2 + get16(p) + 4 + 4;
  if (get16(p)) errors++;
  answered_bytes += batch_bytes;
  answered_records += batch_count;
}

static void fetched(struct peer *c, const uint8_t *frame, size_t size) {
  const uint8_t *p = frame + 4 + 4 + 4;
  p += 2 + get16(p) + 4 + 4;
  if (get16(p)) errors++;
  uint64_t high = get64(p + 2);
  p += 18;
  int32_t aborted = (int32_t)get32(p);
  p += 4 + (aborted > 0 ? 16 * aborted : 0);
  size_t n = get32(p);
  const uint8_t *end = p + 4 + n;
  if (end > frame + size) die("fetch answer");
  answered_bytes += n;
  for (p += 4; p + BATCH_HEADER <= end && p + 12 + get32(p + 8) <= end; p += 12 + get32(p + 8)) {
    answered_records += get32(p + 57);
    c->offset = get64(p) + get32(p + 23) + 1;
  }
  if (c->offset >= high) c->offset = 0;
}

static void fill(struct peer *c) {
  while (c->in_flight < depth && asked < total && c->out_length + batch_bytes + 256 < IN) {
    c->out_length += fetching ? put_fetch(c->out + c->out_length, c->offset)
                              : put_produce(c->out + c->out_length);
    c->in_flight++;
    asked += batch_bytes;
  }
}

static void send_some(struct peer *c) {
  if (c->out_sent == c->out_length) return;
  ssize_t n = write(c->fd, c->out + c->out_sent, c->out_length - c->out_sent);
  if (n < 0 && errno != EAGAIN) die("write");
  if (n > 0) c->out_sent += (size_t)n;
  if (c->out_sent == c->out_length) c->out_sent = c->out_length = 0;
}

static void receive_some(struct peer *c) {
  ssize_t n = read(c->fd, c->in + c->in_length, IN - c->in_length);
  if (n == 0) return fprintf(stderr, "load: connection closed by the broker\n"), exit(1);
  if (n < 0 && errno == EAGAIN) return;
  if (n < 0) die("read");
  c->in_length += (size_t)n;
  size_t at = 0;
  while (c->in_length - at >= 4) {
    size_t size = get32(c->in + at);
    if (c->in_length - at - 4 < size) break;
    if (fetching) fetched(c, c->in + at + 4, size);
    else produced(c->in + at + 4);
    c->in_flight--;
    at += 4 + size;
  }
  if (at) memmove(c->in, c->in + at, c->in_length - at);
  c->in_length -= at;
}

static void open_peer(struct peer *c, int port) {
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int one = 1;
  c->fd = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(c->fd, (void *)&address, sizeof address)) die("connect");
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  c->in = malloc(IN);
  c->out = malloc(IN);
}

int main(int argc, char **argv) {
  if (argc != 9) return fprintf(stderr, "usage: load produce|fetch PORT TOPIC BYTES RECORD CONNECTIONS DEPTH TOTAL\n"), 2;
  fetching = !strcmp(argv[1], "fetch");
  topic = argv[3];
  batch_bytes = (size_t)atol(argv[4]);
  int peers = atoi(argv[6]);
  depth = atoi(argv[7]);
  total = (size_t)atoll(argv[8]);
  if (peers < 1 || peers > CONNECTIONS_MAX || (fetching && depth != 1)) return fprintf(stderr, "load: 1 to 64 connections; fetch has depth 1\n"), 2;
  if (!fetching) {
    batch = malloc(batch_bytes + 64);
    batch_bytes = build_batch(batch, batch_bytes, (size_t)atol(argv[5]), &batch_count);
  }
  struct peer peer[CONNECTIONS_MAX] = {0};
  struct pollfd poll_set[CONNECTIONS_MAX];
  for (int i = 0; i < peers; i++) open_peer(&peer[i], atoi(argv[2]));
  double start = now_seconds();
  for (;;) {
    int busy = 0;
    for (int i = 0; i < peers; i++) {
      fill(&peer[i]);
      send_some(&peer[i]);
      busy |= peer[i].in_flight;
      poll_set[i] = (struct pollfd){peer[i].fd, (short)(POLLIN | (peer[i].out_length ? POLLOUT : 0)), 0};
    }
    if (!busy) break;
    if (poll(poll_set, (nfds_t)peers, 30000) <= 0) return fprintf(stderr, "load: no answer for 30 s\n"), 1;
    for (int i = 0; i < peers; i++)
      if (poll_set[i].revents & (POLLIN | POLLHUP)) receive_some(&peer[i]);
  }
  printf("{\"seconds\":%.4f,\"bytes\":%llu,\"records\":%llu,\"errors\":%llu}\n", now_seconds() - start,
         (unsigned long long)answered_bytes, (unsigned long long)answered_records, (unsigned long long)errors);
  return errors ? 1 : 0;
}
