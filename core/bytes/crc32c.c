/*
 * CRC-32C (Castagnoli, reflected) by "sparse fold", for WebAssembly SIMD.
 *
 * A CRC is the remainder of the message modulo a polynomial P, so any multiple
 * of P may be added to the message without changing it. The multiple used here
 * has only six terms, spaced in whole bytes:
 *
 *     x^(8*209) + x^(8*144) + x^(8*54) + x^(8*39) + x^(8*14) + 1
 *
 * Subtracting it once for every leading byte eliminates that byte and touches
 * the bytes 65, 155, 170, 195 and 209 places further on. Seen from the byte that
 * is touched, with d the message and e the eliminated bytes:
 *
 *     e[j] = d[j] ^ e[j-65] ^ e[j-155] ^ e[j-170] ^ e[j-195] ^ e[j-209]
 *
 * That is six loads and five XORs for 16 bytes, without a table and without a
 * dependency shorter than 65 bytes. Once all but the last 209..224 bytes are
 * eliminated, a table-driven CRC of what those have become is the CRC of all.
 *
 * Build with core/bytes/crc32c_build.sh, which embeds the module and this
 * file's hash in crc32c_wasm.ts. It runs
 *
 *     clang --target=wasm32 -O3 -msimd128 -nostdlib -ffreestanding
 *       -Wl,--no-entry -Wl,--import-memory -Wl,--initial-memory=65536
 *       -Wl,-z,stack-size=1024 -Wl,--strip-all -o crc32c.wasm crc32c.c
 *
 * The memory is the caller's. Its first page belongs to this module; the
 * caller must keep out of it.
 */
#include <stddef.h>
#include <stdint.h>
#include <wasm_simd128.h>

#define EXPORT(name) __attribute__((export_name(#name)))

/* The eliminated bytes that later ones look back at, rounded up to 16. */
#define HISTORY 224
/* Eliminated bytes per round: with its history it stays in the L1 cache. */
#define RING 8192
/* Below this, setting up the ring costs more than it saves. */
#define FOLD_MIN 512
/* The longest remainder: 209 bytes and up to 15 of an incomplete vector. */
#define TAIL_MAX 224

typedef uint64_t __attribute__((aligned(1), may_alias)) unaligned_u64;

/*
 * Fixed addresses in the first page instead of statics, which the linker would
 * write into the module as kilobytes of zeros.
 */
static uint32_t (*const table)[256] = (uint32_t(*)[256])1024;
static uint8_t *const tail = (uint8_t *)16384;
static uint8_t *const ring = (uint8_t *)32768;

/* Fills the tables. Must be called once, before crc32c(). */
EXPORT(init) void init(void) {
  for (uint32_t byte = 0; byte < 256; byte++) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; bit++) {
      crc = crc & 1 ? (crc >> 1) ^ 0x82f63b78u : crc >> 1;
    }
    table[0][byte] = crc;
  }
  for (int slice = 1; slice < 8; slice++) {
    for (int byte = 0; byte < 256; byte++) {
      uint32_t crc = table[slice - 1][byte];
      table[slice][byte] = (crc >> 8) ^ table[0][crc & 255];
    }
  }
}

/* Eight bytes per step through eight tables. */
static uint32_t sliced(const uint8_t *data, size_t length, uint32_t crc) {
  for (; length >= 8; data += 8, length -= 8) {
    uint64_t word = *(const unaligned_u64 *)data ^ crc;
    crc = table[7][word & 255] ^ table[6][word >> 8 & 255] ^
          table[5][word >> 16 & 255] ^ table[4][word >> 24 & 255] ^
          table[3][word >> 32 & 255] ^ table[2][word >> 40 & 255] ^
          table[1][word >> 48 & 255] ^ table[0][word >> 56];
  }
  for (; length > 0; data++, length--) {
    crc = (crc >> 8) ^ table[0][(crc ^ *data) & 255];
  }
  return crc;
}

/* What earlier eliminations have added to the 16 bytes at `e`. */
static inline v128_t added(const uint8_t *e) {
  v128_t near = wasm_v128_xor(wasm_v128_load(e - 65), wasm_v128_load(e - 155));
  v128_t mid = wasm_v128_xor(wasm_v128_load(e - 170), wasm_v128_load(e - 195));
  return wasm_v128_xor(wasm_v128_xor(near, mid), wasm_v128_load(e - 209));
}

static uint32_t folded(const uint8_t *data, size_t length, uint32_t crc) {
  const v128_t zero = wasm_i64x2_splat(0);
  uint8_t *const e = ring + HISTORY;
  for (int i = 0; i < HISTORY; i += 16) wasm_v128_store(ring + i, zero);

  /* The running CRC belongs to the first four bytes. */
  v128_t seed = wasm_i32x4_make((int)crc, 0, 0, 0);
  size_t left = (length - 209) & ~(size_t)15;
  size_t rest = length - left;
  while (left > 0) {
    size_t round = left < RING ? left : RING;
    for (size_t j = 0; j < round; j += 16) {
      v128_t block = wasm_v128_xor(wasm_v128_load(data + j), seed);
      seed = zero;
      wasm_v128_store(e + j, wasm_v128_xor(block, added(e + j)));
    }
    for (int i = 0; i < HISTORY; i += 16) {
      wasm_v128_store(ring + i, wasm_v128_load(ring + round + i));
    }
    data += round;
    left -= round;
  }

  /* Nothing of the remainder is eliminated: behind the history stand zeros. */
  for (int i = 0; i < TAIL_MAX; i += 16) wasm_v128_store(e + i, zero);
  size_t j = 0;
  for (; j + 16 <= rest; j += 16) {
    v128_t block = wasm_v128_load(data + j);
    wasm_v128_store(tail + j, wasm_v128_xor(block, added(e + j)));
  }
  for (; j < rest; j++) {
    const uint8_t *p = e + j;
    tail[j] = data[j] ^ p[-65] ^ p[-155] ^ p[-170] ^ p[-195] ^ p[-209];
  }
  return sliced(tail, rest, 0);
}

/* CRC-32C of `length` bytes at `data`, going on from `crc` (0 at the start). */
EXPORT(crc32c)
uint32_t crc32c(const uint8_t *data, size_t length, uint32_t crc) {
  return length < FOLD_MIN ? ~sliced(data, length, ~crc)
                           : ~folded(data, length, ~crc);
}
