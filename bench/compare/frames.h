/* What the C mock and the C load generator share: big-endian fields, CRC-32C
 * with the processor's instruction, and the few frames of Kafka's protocol
 * that the comparison sends (Produce v7, Fetch v4, Metadata v1). It is a
 * yardstick for kf's broker and never part of the product. */
#pragma once
#include <errno.h>
#include <nmmintrin.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BATCH_HEADER 61
#define CLIENT_ID "bench"

static inline void put16(uint8_t *p, uint16_t v) { v = __builtin_bswap16(v); memcpy(p, &v, 2); }
static inline void put32(uint8_t *p, uint32_t v) { v = __builtin_bswap32(v); memcpy(p, &v, 4); }
static inline void put64(uint8_t *p, uint64_t v) { v = __builtin_bswap64(v); memcpy(p, &v, 8); }
static inline uint16_t get16(const uint8_t *p) { uint16_t v; memcpy(&v, p, 2); return __builtin_bswap16(v); }
static inline uint32_t get32(const uint8_t *p) { uint32_t v; memcpy(&v, p, 4); return __builtin_bswap32(v); }
static inline uint64_t get64(const uint8_t *p) { uint64_t v; memcpy(&v, p, 8); return __builtin_bswap64(v); }

__attribute__((target("sse4.2")))
static inline uint32_t crc32c(const uint8_t *p, size_t n) {
  uint64_t crc = 0xffffffffu;
  for (; n >= 8; p += 8, n -= 8) {
    uint64_t word;
    memcpy(&word, p, 8);
    crc = _mm_crc32_u64(crc, word);
  }
  for (; n; p++, n--) crc = _mm_crc32_u8((uint32_t)crc, *p);
  return ~(uint32_t)crc;
}

static inline double now_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static inline void die(const char *what) {
  perror(what);
  exit(1);
}

static inline size_t put_string(uint8_t *p, const char *text) {
  size_t n = strlen(text);
  put16(p, (uint16_t)n);
  memcpy(p + 2, text, n);
  return n + 2;
}

/* Size prefix and request header v1; returns where the body begins. */
static inline size_t put_header(uint8_t *p, int key, int version, uint32_t correlation) {
  put16(p + 4, (uint16_t)key);
  put16(p + 6, (uint16_t)version);
  put32(p + 8, correlation);
  return 12 + put_string(p + 12, CLIENT_ID);
}

static inline size_t put_varint(uint8_t *p, int64_t value) {
  uint64_t v = ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
  size_t n = 0;
  for (; v >= 128; v >>= 7) p[n++] = (uint8_t)(v | 128);
  p[n++] = (uint8_t)v;
  return n;
}

/* A valid uncompressed batch of about `bytes` bytes; returns its size and, in
 * `*records`, how many records of `record_bytes` values it holds. */
static inline size_t build_batch(uint8_t *p, size_t bytes, size_t record_bytes, uint32_t *records) {
  size_t at = BATCH_HEADER;
  uint32_t count = 0;
  uint32_t noise = 2463534242u;
  if (record_bytes + 16 + BATCH_HEADER > bytes) record_bytes = bytes - BATCH_HEADER - 16;
  while (!count || at + record_bytes + 16 <= bytes) {
    uint8_t body[32];
    size_t n = 0;
    body[n++] = 0;
    n += put_varint(body + n, 0);
    n += put_varint(body + n, count);
    n += put_varint(body + n, -1);
    n += put_varint(body + n, (int64_t)record_bytes);
    at += put_varint(p + at, (int64_t)(n + record_bytes + 1));
    memcpy(p + at, body, n);
    at += n;
    for (size_t i = 0; i < record_bytes; i++) {
      noise ^= noise << 13;
      noise ^= noise >> 17;
      noise ^= noise << 5;
      p[at++] = (uint8_t)noise;
    }
    p[at++] = 0;
    count++;
  }
  struct timespec wall;
  clock_gettime(CLOCK_REALTIME, &wall);
  uint64_t ms = (uint64_t)wall.tv_sec * 1000 + (uint64_t)wall.tv_nsec / 1000000;
  put64(p, 0);
  put32(p + 8, (uint32_t)(at - 12));
  put32(p + 12, 0xffffffff);
  p[16] = 2;
  put16(p + 21, 0);
  put32(p + 23, count - 1);
  put64(p + 27, ms);
  put64(p + 35, ms);
  put64(p + 43, ~0ull);
  put16(p + 51, 0xffff);
  put32(p + 53, 0xffffffff);
  put32(p + 57, count);
  put32(p + 17, crc32c(p + 21, at - 21));
  *records = count;
  return at;
}
