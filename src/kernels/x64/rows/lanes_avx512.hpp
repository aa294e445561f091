// Sixteen float lanes in one AVX-512 register.
#pragma once

#include <immintrin.h>

#include <cstdint>

#define SLIPWAY_LANES __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")))

namespace slipway::rows {
namespace {

using Lanes = __m512;

SLIPWAY_LANES inline __mmask16 first(int64_t count) {
  return static_cast<__mmask16>((1u << count) - 1);
}
SLIPWAY_LANES inline Lanes all(float x) {
  return _mm512_set1_ps(x);
}
SLIPWAY_LANES inline Lanes load(const float* p) {
  return _mm512_loadu_ps(p);
}
SLIPWAY_LANES inline Lanes load(const float* p, int64_t count, float rest) {
  return _mm512_mask_loadu_ps(_mm512_set1_ps(rest), first(count), p);
}
SLIPWAY_LANES inline void store(float* p, Lanes x) {
  _mm512_storeu_ps(p, x);
}
SLIPWAY_LANES inline void store(float* p, Lanes x, int64_t count) {
  _mm512_mask_storeu_ps(p, first(count), x);
}
SLIPWAY_LANES inline Lanes add(Lanes a, Lanes b) {
  return _mm512_add_ps(a, b);
}
SLIPWAY_LANES inline Lanes sub(Lanes a, Lanes b) {
  return _mm512_sub_ps(a, b);
}
SLIPWAY_LANES inline Lanes mul(Lanes a, Lanes b) {
  return _mm512_mul_ps(a, b);
}
SLIPWAY_LANES inline Lanes div(Lanes a, Lanes b) {
  return _mm512_div_ps(a, b);
}
/// a * b + c
SLIPWAY_LANES inline Lanes fma(Lanes a, Lanes b, Lanes c) {
  return _mm512_fmadd_ps(a, b, c);
}
/// b where either is NaN.
SLIPWAY_LANES inline Lanes larger(Lanes a, Lanes b) {
  return _mm512_max_ps(a, b);
}
SLIPWAY_LANES inline Lanes smaller(Lanes a, Lanes b) {
  return _mm512_min_ps(a, b);
}
SLIPWAY_LANES inline Lanes rounded(Lanes x) {
  return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
/// 2^n for integral n in [-126, 127].
SLIPWAY_LANES inline Lanes power2(Lanes n) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127)), 23));
}
/// `value` where x >= bound or NaN, else 0.
SLIPWAY_LANES inline Lanes unless_below(Lanes x, Lanes bound, Lanes value) {
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, bound, _CMP_NLT_UQ), value);
}
/// x where the byte is not 0, else `otherwise`.
SLIPWAY_LANES inline Lanes where(const uint8_t* bytes, Lanes x, Lanes otherwise) {
  const __m128i b = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
  return _mm512_mask_mov_ps(x, _mm_cmpeq_epi8_mask(b, _mm_setzero_si128()), otherwise);
}
SLIPWAY_LANES inline __m256 upper(Lanes x) {
  return _mm512_extractf32x8_ps(x, 1);
}
SLIPWAY_LANES inline __m256 lower(Lanes x) {
  return _mm512_castps512_ps256(x);
}

}  // namespace
}  // namespace slipway::rows
