// GCC 12 takes the undefined operands within its own intrinsics for uninitialised variables.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include "kernels/x64/convert/convert.hpp"

#include <immintrin.h>

#include <cstring>

#define SLIPWAY_AVX2 __attribute__((target("avx2,fma,f16c")))
#define SLIPWAY_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))

namespace slipway::convert {
namespace {

constexpr int kQuietBit = 0x00400000;

struct Half256 {
  SLIPWAY_AVX2 static __m256 wide(__m128i x) { return _mm256_cvtph_ps(x); }
  SLIPWAY_AVX2 static __m128i narrow(__m256 x) { return _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT); }
};

struct Brain256 {
  SLIPWAY_AVX2 static __m256 wide(__m128i x) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16)); }
  SLIPWAY_AVX2 static __m128i narrow(__m256 x) {
    const __m256i bits = _mm256_castps_si256(x), odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i rounded = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
    const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(kQuietBit));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    const __m256i words = _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, nan), 16);
    return _mm256_castsi256_si128(_mm256_permute4x64_epi64(_mm256_packus_epi32(words, words), 0x08));
  }
};

template <class F>
SLIPWAY_AVX2 void widen256(const void* from, float* to, int64_t n) {
  const auto* x = static_cast<const uint16_t*>(from);
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) _mm256_storeu_ps(to + i, F::wide(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x + i))));
  if (i == n) return;
  alignas(16) uint16_t rest[8] = {};
  alignas(32) float wide[8];
  std::memcpy(rest, x + i, static_cast<size_t>(n - i) * 2);
  _mm256_store_ps(wide, F::wide(_mm_load_si128(reinterpret_cast<const __m128i*>(rest))));
  std::memcpy(to + i, wide, static_cast<size_t>(n - i) * 4);
}

template <class F>
SLIPWAY_AVX2 void narrow256(const float* from, void* to, int64_t n) {
  auto* y = static_cast<uint16_t*>(to);
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) _mm_storeu_si128(reinterpret_cast<__m128i*>(y + i), F::narrow(_mm256_loadu_ps(from + i)));
  if (i == n) return;
  alignas(32) float rest[8] = {};
  alignas(16) uint16_t words[8];
  std::memcpy(rest, from + i, static_cast<size_t>(n - i) * 4);
  _mm_store_si128(reinterpret_cast<__m128i*>(words), F::narrow(_mm256_load_ps(rest)));
  std::memcpy(y + i, words, static_cast<size_t>(n - i) * 2);
}

struct Half512 {
  SLIPWAY_AVX512 static __m512 wide(__m256i x) { return _mm512_cvtph_ps(x); }
  SLIPWAY_AVX512 static __m256i narrow(__m512 x) { return _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT); }
};

struct Brain512 {
  SLIPWAY_AVX512 static __m512 wide(__m256i x) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16)); }
  SLIPWAY_AVX512 static __m256i narrow(__m512 x) {
    const __m512i bits = _mm512_castps_si512(x), odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
    const __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    const __m512i quiet = _mm512_mask_or_epi32(rounded, nan, bits, _mm512_set1_epi32(kQuietBit));
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(quiet, 16));
  }
};

SLIPWAY_AVX512 inline __mmask16 first(int64_t n) {
  return static_cast<__mmask16>((1u << n) - 1);
}

template <class F>
SLIPWAY_AVX512 void widen512(const void* from, float* to, int64_t n) {
  const auto* x = static_cast<const uint16_t*>(from);
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) _mm512_storeu_ps(to + i, F::wide(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + i))));
  if (i < n) _mm512_mask_storeu_ps(to + i, first(n - i), F::wide(_mm256_maskz_loadu_epi16(first(n - i), x + i)));
}

template <class F>
SLIPWAY_AVX512 void narrow512(const float* from, void* to, int64_t n) {
  auto* y = static_cast<uint16_t*>(to);
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) _mm256_storeu_si256(reinterpret_cast<__m256i*>(y + i), F::narrow(_mm512_loadu_ps(from + i)));
  if (i < n) _mm256_mask_storeu_epi16(y + i, first(n - i), F::narrow(_mm512_maskz_loadu_ps(first(n - i), from + i)));
}

}  // namespace

Widen widen(ElementType type, Isa isa) {
  const bool half = type == ElementType::f16;
  if (isa >= Isa::avx512) return half ? widen512<Half512> : widen512<Brain512>;
  return half ? widen256<Half256> : widen256<Brain256>;
}

Narrow narrow(ElementType type, Isa isa) {
  const bool half = type == ElementType::f16;
  if (isa >= Isa::avx512) return half ? narrow512<Half512> : narrow512<Brain512>;
  return half ? narrow256<Half256> : narrow256<Brain256>;
}

}  // namespace slipway::convert
