// Small matrices turned in registers, and two or three streams woven into one and taken apart: SSE2, which every x86-64 has.
#pragma once

#include <emmintrin.h>

#include <cstdint>
#include <cstring>

namespace slipway::kernels::tile {

/// How many rows and columns the larger and the smaller turn() take at once; 1 where there is no such code.
template <class T>
constexpr int64_t kSide = 1;
template <>
inline constexpr int64_t kSide<uint8_t> = 8;
template <>
inline constexpr int64_t kSide<uint16_t> = 8;
template <>
inline constexpr int64_t kSide<uint32_t> = 4;
template <>
inline constexpr int64_t kSide<uint64_t> = 2;
template <class T>
constexpr int64_t kSmallSide = sizeof(T) <= 2 ? 4 : kSide<T>;

inline __m128i low4(const void* p) {
  int32_t word;
  std::memcpy(&word, p, 4);
  return _mm_cvtsi32_si128(word);
}
inline __m128i low8(const void* p) {
  return _mm_loadl_epi64(static_cast<const __m128i*>(p));
}
inline __m128i load(const void* p) {
  return _mm_loadu_si128(static_cast<const __m128i*>(p));
}
inline void store(void* p, __m128i v) {
  _mm_storeu_si128(static_cast<__m128i*>(p), v);
}
inline void store4(void* p, __m128i v) {
  const int32_t word = _mm_cvtsi128_si32(v);
  std::memcpy(p, &word, 4);
}
inline void store_halves(void* a, void* b, __m128i v) {
  _mm_storel_epi64(static_cast<__m128i*>(a), v);
  _mm_storel_epi64(static_cast<__m128i*>(b), _mm_unpackhi_epi64(v, v));
}

/// to[i * to_step + j] = from[j * from_step + i] for i and j below kSide.
inline void turn(const uint8_t* from, int64_t from_step, uint8_t* to, int64_t to_step) {
  const auto row = [&](int64_t i) { return low8(from + i * from_step); };
  const __m128i a = _mm_unpacklo_epi8(row(0), row(1)), b = _mm_unpacklo_epi8(row(2), row(3));
  const __m128i c = _mm_unpacklo_epi8(row(4), row(5)), d = _mm_unpacklo_epi8(row(6), row(7));
  const __m128i ab0 = _mm_unpacklo_epi16(a, b), ab1 = _mm_unpackhi_epi16(a, b);
  const __m128i cd0 = _mm_unpacklo_epi16(c, d), cd1 = _mm_unpackhi_epi16(c, d);
  store_halves(to, to + to_step, _mm_unpacklo_epi32(ab0, cd0));
  store_halves(to + 2 * to_step, to + 3 * to_step, _mm_unpackhi_epi32(ab0, cd0));
  store_halves(to + 4 * to_step, to + 5 * to_step, _mm_unpacklo_epi32(ab1, cd1));
  store_halves(to + 6 * to_step, to + 7 * to_step, _mm_unpackhi_epi32(ab1, cd1));
}

inline void turn(const uint16_t* from, int64_t from_step, uint16_t* to, int64_t to_step) {
  const auto row = [&](int64_t i) { return load(from + i * from_step); };
  const __m128i r0 = row(0), r1 = row(1), r2 = row(2), r3 = row(3), r4 = row(4), r5 = row(5), r6 = row(6), r7 = row(7);
  const __m128i a0 = _mm_unpacklo_epi16(r0, r1), a1 = _mm_unpackhi_epi16(r0, r1);
  const __m128i b0 = _mm_unpacklo_epi16(r2, r3), b1 = _mm_unpackhi_epi16(r2, r3);
  const __m128i c0 = _mm_unpacklo_epi16(r4, r5), c1 = _mm_unpackhi_epi16(r4, r5);
  const __m128i d0 = _mm_unpacklo_epi16(r6, r7), d1 = _mm_unpackhi_epi16(r6, r7);
  const __m128i ab0 = _mm_unpacklo_epi32(a0, b0), ab1 = _mm_unpackhi_epi32(a0, b0);
  const __m128i ab2 = _mm_unpacklo_epi32(a1, b1), ab3 = _mm_unpackhi_epi32(a1, b1);
  const __m128i cd0 = _mm_unpacklo_epi32(c0, d0), cd1 = _mm_unpackhi_epi32(c0, d0);
  const __m128i cd2 = _mm_unpacklo_epi32(c1, d1), cd3 = _mm_unpackhi_epi32(c1, d1);
  store(to, _mm_unpacklo_epi64(ab0, cd0));
  store(to + to_step, _mm_unpackhi_epi64(ab0, cd0));
  store(to + 2 * to_step, _mm_unpacklo_epi64(ab1, cd1));
  store(to + 3 * to_step, _mm_unpackhi_epi64(ab1, cd1));
  store(to + 4 * to_step, _mm_unpacklo_epi64(ab2, cd2));
  store(to + 5 * to_step, _mm_unpackhi_epi64(ab2, cd2));
  store(to + 6 * to_step, _mm_unpacklo_epi64(ab3, cd3));
  store(to + 7 * to_step, _mm_unpackhi_epi64(ab3, cd3));
}

inline void turn(const uint32_t* from, int64_t from_step, uint32_t* to, int64_t to_step) {
  const __m128i a = load(from), b = load(from + from_step), c = load(from + 2 * from_step), d = load(from + 3 * from_step);
  const __m128i ab0 = _mm_unpacklo_epi32(a, b), ab1 = _mm_unpackhi_epi32(a, b);
  const __m128i cd0 = _mm_unpacklo_epi32(c, d), cd1 = _mm_unpackhi_epi32(c, d);
  store(to, _mm_unpacklo_epi64(ab0, cd0));
  store(to + to_step, _mm_unpackhi_epi64(ab0, cd0));
  store(to + 2 * to_step, _mm_unpacklo_epi64(ab1, cd1));
  store(to + 3 * to_step, _mm_unpackhi_epi64(ab1, cd1));
}

inline void turn(const uint64_t* from, int64_t from_step, uint64_t* to, int64_t to_step) {
  const __m128i a = load(from), b = load(from + from_step);
  store(to, _mm_unpacklo_epi64(a, b));
  store(to + to_step, _mm_unpackhi_epi64(a, b));
}

/// The same below kSmallSide.
inline void turn_small(const uint8_t* from, int64_t from_step, uint8_t* to, int64_t to_step) {
  const auto row = [&](int64_t i) { return low4(from + i * from_step); };
  const __m128i all = _mm_unpacklo_epi16(_mm_unpacklo_epi8(row(0), row(1)), _mm_unpacklo_epi8(row(2), row(3)));
  store4(to, all);
  store4(to + to_step, _mm_srli_si128(all, 4));
  store4(to + 2 * to_step, _mm_srli_si128(all, 8));
  store4(to + 3 * to_step, _mm_srli_si128(all, 12));
}

inline void turn_small(const uint16_t* from, int64_t from_step, uint16_t* to, int64_t to_step) {
  const auto row = [&](int64_t i) { return low8(from + i * from_step); };
  const __m128i a = _mm_unpacklo_epi16(row(0), row(1)), b = _mm_unpacklo_epi16(row(2), row(3));
  store_halves(to, to + to_step, _mm_unpacklo_epi32(a, b));
  store_halves(to + 2 * to_step, to + 3 * to_step, _mm_unpackhi_epi32(a, b));
}

template <class T>
void turn_small(const T* from, int64_t from_step, T* to, int64_t to_step) {
  turn(from, from_step, to, to_step);
}

/// Lanes of one register.
template <class T>
constexpr int64_t kLanes = static_cast<int64_t>(16 / sizeof(T));

template <class T>
__m128i low_pairs(__m128i a, __m128i b) {
  if constexpr (sizeof(T) == 1) return _mm_unpacklo_epi8(a, b);
  if constexpr (sizeof(T) == 2) return _mm_unpacklo_epi16(a, b);
  if constexpr (sizeof(T) == 4) return _mm_unpacklo_epi32(a, b);
  return _mm_unpacklo_epi64(a, b);
}
template <class T>
__m128i high_pairs(__m128i a, __m128i b) {
  if constexpr (sizeof(T) == 1) return _mm_unpackhi_epi8(a, b);
  if constexpr (sizeof(T) == 2) return _mm_unpackhi_epi16(a, b);
  if constexpr (sizeof(T) == 4) return _mm_unpackhi_epi32(a, b);
  return _mm_unpackhi_epi64(a, b);
}

/// Elements [0, returned) of two streams as pairs.
template <class T>
int64_t weave2(const T* a, const T* b, T* to, int64_t n) {
  int64_t i = 0;
  for (; i + kLanes<T> <= n; i += kLanes<T>) {
    const __m128i x = load(a + i), y = load(b + i);
    store(to + 2 * i, low_pairs<T>(x, y));
    store(to + 2 * i + kLanes<T>, high_pairs<T>(x, y));
  }
  return i;
}

/// The even (or odd) elements of two registers.
template <class T, bool kOdd>
__m128i every_other(__m128i a, __m128i b) {
  if constexpr (sizeof(T) == 8) {
    return kOdd ? _mm_unpackhi_epi64(a, b) : _mm_unpacklo_epi64(a, b);
  } else if constexpr (sizeof(T) == 4) {
    constexpr int kWhich = kOdd ? 0xDD : 0x88;
    return _mm_castps_si128(_mm_shuffle_ps(_mm_castsi128_ps(a), _mm_castsi128_ps(b), kWhich));
  } else if constexpr (sizeof(T) == 2) {
    const auto wide = [](__m128i v) { return _mm_srai_epi32(kOdd ? v : _mm_slli_epi32(v, 16), 16); };
    return _mm_packs_epi32(wide(a), wide(b));
  } else {
    const auto wide = [](__m128i v) { return kOdd ? _mm_srli_epi16(v, 8) : _mm_and_si128(v, _mm_set1_epi16(0xff)); };
    return _mm_packus_epi16(wide(a), wide(b));
  }
}

/// Pairs [0, returned) as two streams; reads both elements of each pair.
template <class T>
int64_t part2(const T* from, T* a, T* b, int64_t n) {
  int64_t i = 0;
  for (; i + kLanes<T> <= n; i += kLanes<T>) {
    const __m128i x = load(from + 2 * i), y = load(from + 2 * i + kLanes<T>);
    store(a + i, every_other<T, false>(x, y));
    store(b + i, every_other<T, true>(x, y));
  }
  return i;
}

template <int kA0, int kA1, int kB0, int kB1>
__m128 pick(__m128 a, __m128 b) {
  return _mm_shuffle_ps(a, b, kA0 | kA1 << 2 | kB0 << 4 | kB1 << 6);
}

inline int64_t weave3(const uint32_t* a, const uint32_t* b, const uint32_t* c, uint32_t* to, int64_t n) {
  int64_t i = 0;
  const auto get = [](const uint32_t* p) { return _mm_castsi128_ps(load(p)); };
  for (; i + 4 <= n; i += 4) {
    const __m128 x = get(a + i), y = get(b + i), z = get(c + i);
    const __m128 first = pick<0, 1, 0, 2>(_mm_unpacklo_ps(x, y), pick<0, 0, 1, 1>(z, x));
    const __m128 second = pick<0, 2, 0, 1>(pick<1, 1, 1, 1>(y, z), _mm_unpackhi_ps(x, y));
    const __m128 third = pick<0, 2, 0, 2>(pick<2, 2, 3, 3>(z, x), pick<3, 3, 3, 3>(y, z));
    store(to + 3 * i, _mm_castps_si128(first));
    store(to + 3 * i + 4, _mm_castps_si128(second));
    store(to + 3 * i + 8, _mm_castps_si128(third));
  }
  return i;
}

inline int64_t weave3(const uint8_t* a, const uint8_t* b, const uint8_t* c, uint8_t* to, int64_t n) {
  int64_t i = 0;
  for (; i + 4 <= n; i += 4) {
    uint32_t x, y, z;
    std::memcpy(&x, a + i, 4);
    std::memcpy(&y, b + i, 4);
    std::memcpy(&z, c + i, 4);
    const uint32_t words[3] = {
        (x & 0xff) | (y & 0xff) << 8 | (z & 0xff) << 16 | (x & 0xff00) << 16,
        (y >> 8 & 0xff) | (z & 0xff00) | (x & 0xff0000) | (y & 0xff0000) << 8,
        (z >> 16 & 0xff) | (x >> 16 & 0xff00) | (y >> 8 & 0xff0000) | (z & 0xff000000),
    };
    std::memcpy(to + 3 * i, words, 12);
  }
  return i;
}

template <class T>
int64_t weave3(const T*, const T*, const T*, T*, int64_t) {
  return 0;
}

inline int64_t part3(const uint32_t* from, uint32_t* a, uint32_t* b, uint32_t* c, int64_t n) {
  int64_t i = 0;
  const auto get = [](const uint32_t* p) { return _mm_castsi128_ps(load(p)); };
  for (; i + 4 <= n; i += 4) {
    const __m128 x = get(from + 3 * i), y = get(from + 3 * i + 4), z = get(from + 3 * i + 8);
    store(a + i, _mm_castps_si128(pick<0, 3, 0, 2>(x, pick<2, 2, 1, 1>(y, z))));
    store(b + i, _mm_castps_si128(pick<0, 2, 0, 2>(pick<1, 1, 0, 0>(x, y), pick<3, 3, 2, 2>(y, z))));
    store(c + i, _mm_castps_si128(pick<0, 2, 0, 2>(pick<2, 2, 1, 1>(x, y), pick<0, 0, 3, 3>(z, z))));
  }
  return i;
}

template <class T>
int64_t part3(const T*, T*, T*, T*, int64_t) {
  return 0;
}

}  // namespace slipway::kernels::tile
