// Sixteen float lanes in two AVX2 registers.
#pragma once

#include <immintrin.h>

#include <cstdint>

#define SLIPWAY_LANES __attribute__((target("avx2,fma")))

namespace slipway::rows {
namespace {

struct Lanes {
  __m256 a, b;
};

SLIPWAY_LANES inline __m256i first(int64_t count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
SLIPWAY_LANES inline Lanes all(float x) {
  return {_mm256_set1_ps(x), _mm256_set1_ps(x)};
}
SLIPWAY_LANES inline Lanes load(const float* p) {
  return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
}
SLIPWAY_LANES inline Lanes load(const float* p, int64_t count, float rest) {
  const __m256i low = first(count), high = first(count - 8);
  const __m256 r = _mm256_set1_ps(rest);
  return {_mm256_blendv_ps(r, _mm256_maskload_ps(p, low), _mm256_castsi256_ps(low)),
          _mm256_blendv_ps(r, _mm256_maskload_ps(p + 8, high), _mm256_castsi256_ps(high))};
}
SLIPWAY_LANES inline void store(float* p, Lanes x) {
  _mm256_storeu_ps(p, x.a);
  _mm256_storeu_ps(p + 8, x.b);
}
SLIPWAY_LANES inline void store(float* p, Lanes x, int64_t count) {
  _mm256_maskstore_ps(p, first(count), x.a);
  _mm256_maskstore_ps(p + 8, first(count - 8), x.b);
}
SLIPWAY_LANES inline Lanes add(Lanes a, Lanes b) {
  return {_mm256_add_ps(a.a, b.a), _mm256_add_ps(a.b, b.b)};
}
SLIPWAY_LANES inline Lanes sub(Lanes a, Lanes b) {
  return {_mm256_sub_ps(a.a, b.a), _mm256_sub_ps(a.b, b.b)};
}
SLIPWAY_LANES inline Lanes mul(Lanes a, Lanes b) {
  return {_mm256_mul_ps(a.a, b.a), _mm256_mul_ps(a.b, b.b)};
}
SLIPWAY_LANES inline Lanes div(Lanes a, Lanes b) {
  return {_mm256_div_ps(a.a, b.a), _mm256_div_ps(a.b, b.b)};
}
/// a * b + c
SLIPWAY_LANES inline Lanes fma(Lanes a, Lanes b, Lanes c) {
  return {_mm256_fmadd_ps(a.a, b.a, c.a), _mm256_fmadd_ps(a.b, b.b, c.b)};
}
/// b where either is NaN.
SLIPWAY_LANES inline Lanes larger(Lanes a, Lanes b) {
  return {_mm256_max_ps(a.a, b.a), _mm256_max_ps(a.b, b.b)};
}
SLIPWAY_LANES inline Lanes smaller(Lanes a, Lanes b) {
  return {_mm256_min_ps(a.a, b.a), _mm256_min_ps(a.b, b.b)};
}
SLIPWAY_LANES inline Lanes rounded(Lanes x) {
  return {_mm256_round_ps(x.a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC),
          _mm256_round_ps(x.b, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
SLIPWAY_LANES inline __m256 half_power2(__m256 n) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23));
}
/// 2^n for integral n in [-126, 127].
SLIPWAY_LANES inline Lanes power2(Lanes n) {
  return {half_power2(n.a), half_power2(n.b)};
}
/// `value` where x >= bound or NaN, else 0.
SLIPWAY_LANES inline Lanes unless_below(Lanes x, Lanes bound, Lanes value) {
  return {_mm256_and_ps(_mm256_cmp_ps(x.a, bound.a, _CMP_NLT_UQ), value.a),
          _mm256_and_ps(_mm256_cmp_ps(x.b, bound.b, _CMP_NLT_UQ), value.b)};
}
SLIPWAY_LANES inline __m256 zero_bytes(__m128i bytes) {
  return _mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_cvtepu8_epi32(bytes), _mm256_setzero_si256()));
}
/// x where the byte is not 0, else `otherwise`.
SLIPWAY_LANES inline Lanes where(const uint8_t* bytes, Lanes x, Lanes otherwise) {
  const __m128i b = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
  return {_mm256_blendv_ps(x.a, otherwise.a, zero_bytes(b)),
          _mm256_blendv_ps(x.b, otherwise.b, zero_bytes(_mm_srli_si128(b, 8)))};
}
SLIPWAY_LANES inline __m256 upper(Lanes x) {
  return x.b;
}
SLIPWAY_LANES inline __m256 lower(Lanes x) {
  return x.a;
}

}  // namespace
}  // namespace slipway::rows
