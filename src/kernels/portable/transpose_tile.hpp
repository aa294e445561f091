// Small square matrices turned in registers: SSE2, which every x86-64 has.
#pragma once

#include <emmintrin.h>

#include <cstdint>
#include <cstring>

namespace slipway::kernels::tile {

/// How many rows and columns turn() takes at once; 1 where there is no such code.
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

inline __m128i low8(const void* p) {
  return _mm_loadl_epi64(static_cast<const __m128i*>(p));
}
inline __m128i load(const void* p) {
  return _mm_loadu_si128(static_cast<const __m128i*>(p));
}
inline void store(void* p, __m128i v) {
  _mm_storeu_si128(static_cast<__m128i*>(p), v);
}
inline void store_halves(uint8_t* a, uint8_t* b, __m128i v) {
  _mm_storel_epi64(reinterpret_cast<__m128i*>(a), v);
  _mm_storel_epi64(reinterpret_cast<__m128i*>(b), _mm_unpackhi_epi64(v, v));
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
  __m128i r[8], s[8];
  for (int i = 0; i < 8; ++i) r[i] = load(from + i * from_step);
  for (int i = 0; i < 4; ++i) {
    s[2 * i] = _mm_unpacklo_epi16(r[2 * i], r[2 * i + 1]);
    s[2 * i + 1] = _mm_unpackhi_epi16(r[2 * i], r[2 * i + 1]);
  }
  for (int i = 0; i < 2; ++i) {
    r[4 * i] = _mm_unpacklo_epi32(s[4 * i], s[4 * i + 2]);
    r[4 * i + 1] = _mm_unpackhi_epi32(s[4 * i], s[4 * i + 2]);
    r[4 * i + 2] = _mm_unpacklo_epi32(s[4 * i + 1], s[4 * i + 3]);
    r[4 * i + 3] = _mm_unpackhi_epi32(s[4 * i + 1], s[4 * i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    store(to + 2 * i * to_step, _mm_unpacklo_epi64(r[i], r[4 + i]));
    store(to + (2 * i + 1) * to_step, _mm_unpackhi_epi64(r[i], r[4 + i]));
  }
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

template <class T>
void turn(const T* from, int64_t, T* to, int64_t) {
  *to = *from;
}

}  // namespace slipway::kernels::tile
