#include "kernels/x64/gemm/pack.hpp"

#include <emmintrin.h>

#include <algorithm>
#include <cstring>

namespace slipway::gemm {

namespace {

void pack_rows(const float* from, int64_t ldb, int64_t k, int64_t columns, int64_t stored, float* to) {
  for (int64_t row = 0; row < k; ++row, from += ldb, to += stored) {
    std::memcpy(to, from, static_cast<size_t>(columns) * sizeof(float));
    std::fill(to + columns, to + stored, 0.0F);
  }
}

void transpose4x4(const float* from, int64_t ldb, int64_t stored, float* to) {
  __m128 r0 = _mm_loadu_ps(from), r1 = _mm_loadu_ps(from + ldb), r2 = _mm_loadu_ps(from + 2 * ldb),
         r3 = _mm_loadu_ps(from + 3 * ldb);
  _MM_TRANSPOSE4_PS(r0, r1, r2, r3);
  _mm_storeu_ps(to, r0);
  _mm_storeu_ps(to + stored, r1);
  _mm_storeu_ps(to + 2 * stored, r2);
  _mm_storeu_ps(to + 3 * stored, r3);
}

void pack_columns(const float* from, int64_t ldb, int64_t k, int64_t columns, int64_t stored, float* to) {
  // Blocks of 16 rows of the panel: a cache line of each source row is used whole.
  constexpr int64_t kBlock = 16;
  for (int64_t first = 0; first < k; first += kBlock) {
    const int64_t rows = std::min(kBlock, k - first);
    int64_t column = 0;
    for (; column + 4 <= columns; column += 4) {
      int64_t row = 0;
      for (; row + 4 <= rows; row += 4) {
        transpose4x4(from + column * ldb + first + row, ldb, stored, to + (first + row) * stored + column);
      }
      for (; row < rows; ++row) {
        for (int64_t c = column; c < column + 4; ++c) to[(first + row) * stored + c] = from[c * ldb + first + row];
      }
    }
    for (int64_t row = first; row < first + rows; ++row) {
      for (int64_t c = column; c < columns; ++c) to[row * stored + c] = from[c * ldb + row];
      std::fill(to + row * stored + columns, to + (row + 1) * stored, 0.0F);
    }
  }
}

}  // namespace

int default_panel_columns(Isa isa, int64_t n) {
  if (isa >= Isa::avx512) return n <= 16 ? 16 : 32;
  if (n <= 8) return 8;
  return n % 24 == 0 || n >= 96 ? 24 : 16;
}

PackShape PackShape::make(Isa isa, int64_t k, int64_t n) {
  return {k, n, default_panel_columns(isa, n)};
}

void pack_b_panels(const PackShape& shape, const float* from, int64_t ldb, bool transposed, int64_t first, int64_t last,
                   float* to) {
  for (int64_t p = first; p < last; ++p) {
    const int64_t column = p * shape.panel_columns;
    const int64_t columns = std::min<int64_t>(shape.panel_columns, shape.n - column);
    float* panel = to + shape.offset(p);
    if (transposed) {
      pack_columns(from + column * ldb, ldb, shape.k, columns, shape.panel_columns, panel);
    } else {
      pack_rows(from + column, ldb, shape.k, columns, shape.panel_columns, panel);
    }
  }
}

void pack_b(const PackShape& shape, const float* from, int64_t ldb, float* to) {
  pack_b_panels(shape, from, ldb, false, 0, shape.panels(), to);
}

void pack_b_transposed(const PackShape& shape, const float* from, int64_t ldb, float* to) {
  pack_b_panels(shape, from, ldb, true, 0, shape.panels(), to);
}

void unpack_b(const PackShape& shape, const float* packed, float* to, int64_t ldb) {
  for (int64_t p = 0; p < shape.panels(); ++p) {
    const int64_t column = p * shape.panel_columns;
    const int64_t columns = std::min<int64_t>(shape.panel_columns, shape.n - column);
    const float* panel = packed + shape.offset(p);
    for (int64_t row = 0; row < shape.k; ++row) {
      std::memcpy(to + row * ldb + column, panel + row * shape.panel_columns, static_cast<size_t>(columns) * sizeof(float));
    }
  }
}

}  // namespace slipway::gemm
