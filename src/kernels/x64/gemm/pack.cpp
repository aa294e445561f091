#include "kernels/x64/gemm/pack.hpp"

#include <emmintrin.h>

#include <algorithm>
#include <cstring>

namespace slipway::gemm {

namespace {

constexpr int64_t kStepBytes = 4;

/// One panel: `columns` of `stored` are there.
struct Panel {
  int64_t k, columns, stored;
};

void pack_rows_f32(const Panel& panel, const std::byte* from, int64_t row_bytes, std::byte* to) {
  const auto bytes = static_cast<size_t>(panel.columns * kStepBytes), all = static_cast<size_t>(panel.stored * kStepBytes);
  for (int64_t row = 0; row < panel.k; ++row, from += row_bytes, to += all) {
    std::memcpy(to, from, bytes);
    std::memset(to + bytes, 0, all - bytes);
  }
}

/// Two rows of words into one of pairs; `second` may be null.
void pair_rows(const std::byte* first, const std::byte* second, int64_t columns, std::byte* to) {
  int64_t c = 0;
  if (second != nullptr) {
    for (; c + 8 <= columns; c += 8) {
      const __m128i a = _mm_loadu_si128(reinterpret_cast<const __m128i*>(first + 2 * c));
      const __m128i b = _mm_loadu_si128(reinterpret_cast<const __m128i*>(second + 2 * c));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 4 * c), _mm_unpacklo_epi16(a, b));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 4 * c + 16), _mm_unpackhi_epi16(a, b));
    }
  }
  for (; c < columns; ++c) {
    std::memcpy(to + 4 * c, first + 2 * c, 2);
    if (second != nullptr) {
      std::memcpy(to + 4 * c + 2, second + 2 * c, 2);
    } else {
      std::memset(to + 4 * c + 2, 0, 2);
    }
  }
}

void pack_rows_bf16(const Panel& panel, const std::byte* from, int64_t row_bytes, std::byte* to) {
  for (int64_t row = 0; row < panel.k; row += 2, from += 2 * row_bytes, to += panel.stored * kStepBytes) {
    pair_rows(from, row + 1 < panel.k ? from + row_bytes : nullptr, panel.columns, to);
    std::memset(to + panel.columns * kStepBytes, 0, static_cast<size_t>((panel.stored - panel.columns) * kStepBytes));
  }
}

__m128 load4(const std::byte* from) {
  return _mm_castsi128_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}
void store4(std::byte* to, __m128 value) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm_castps_si128(value));
}

/// Four columns of four steps.
void transpose4x4(const std::byte* from, int64_t column_bytes, int64_t stored_bytes, std::byte* to) {
  __m128 r0 = load4(from), r1 = load4(from + column_bytes), r2 = load4(from + 2 * column_bytes),
         r3 = load4(from + 3 * column_bytes);
  _MM_TRANSPOSE4_PS(r0, r1, r2, r3);
  store4(to, r0);
  store4(to + stored_bytes, r1);
  store4(to + 2 * stored_bytes, r2);
  store4(to + 3 * stored_bytes, r3);
}

/// From columns that lie as rows, `column_bytes` apart, of `steps` whole 4-byte steps and `odd_bytes` of another.
void pack_columns(const Panel& panel, const std::byte* from, int64_t column_bytes, int64_t odd_bytes, std::byte* to) {
  // Blocks of 16 rows of the panel: a cache line of each source row is used whole.
  constexpr int64_t kBlock = 16;
  const int64_t stored = panel.stored * kStepBytes, steps = panel.k;
  for (int64_t first = 0; first < steps; first += kBlock) {
    const int64_t rows = std::min(kBlock, steps - first);
    int64_t column = 0;
    const auto one = [&](int64_t row, int64_t c) {
      std::memcpy(to + row * stored + c * kStepBytes, from + c * column_bytes + row * kStepBytes, kStepBytes);
    };
    for (; column + 4 <= panel.columns; column += 4) {
      int64_t row = first;
      for (; row + 4 <= first + rows; row += 4) {
        transpose4x4(from + column * column_bytes + row * kStepBytes, column_bytes, stored,
                     to + row * stored + column * kStepBytes);
      }
      for (; row < first + rows; ++row) {
        for (int64_t c = column; c < column + 4; ++c) one(row, c);
      }
    }
    for (int64_t row = first; row < first + rows; ++row) {
      for (int64_t c = column; c < panel.columns; ++c) one(row, c);
    }
  }
  if (odd_bytes > 0) {
    std::memset(to + steps * stored, 0, static_cast<size_t>(stored));
    for (int64_t c = 0; c < panel.columns; ++c) {
      std::memcpy(to + steps * stored + c * kStepBytes, from + c * column_bytes + steps * kStepBytes,
                  static_cast<size_t>(odd_bytes));
    }
  }
  for (int64_t row = 0; row < steps; ++row) {
    std::memset(to + row * stored + panel.columns * kStepBytes, 0, static_cast<size_t>(stored - panel.columns * kStepBytes));
  }
}

/// Calls f(k, n, byte offset in the packed form) for every element.
template <class F>
void each_element(const PackShape& shape, F f) {
  const int64_t in_step = step_elements(shape.product), size = element_bytes(shape.product);
  for (int64_t p = 0; p < shape.panels(); ++p) {
    const int64_t column = p * shape.panel_columns, columns = std::min<int64_t>(shape.panel_columns, shape.n - column);
    for (int64_t k = 0; k < shape.k; ++k) {
      const int64_t row = (shape.offset(p) + k / in_step * shape.panel_columns * in_step + k % in_step) * size;
      for (int64_t c = 0; c < columns; ++c) f(k, column + c, row + c * kStepBytes);
    }
  }
}

}  // namespace

int default_panel_columns(Isa isa, int64_t n) {
  if (isa >= Isa::avx512) return n <= 16 ? 16 : 32;
  if (n <= 8) return 8;
  return n % 24 == 0 || n >= 96 ? 24 : 16;
}

PackShape PackShape::make(Isa isa, int64_t k, int64_t n, Product product) {
  return {k, n, default_panel_columns(isa, n), product};
}

void pack_b_panels(const PackShape& shape, const void* from, int64_t ldb, bool transposed, int64_t first, int64_t last,
                   void* to) {
  const int64_t size = element_bytes(shape.product);
  for (int64_t p = first; p < last; ++p) {
    const int64_t column = p * shape.panel_columns;
    const Panel panel{shape.k, std::min<int64_t>(shape.panel_columns, shape.n - column), shape.panel_columns};
    const auto* source = static_cast<const std::byte*>(from) + column * (transposed ? ldb : 1) * size;
    auto* out = static_cast<std::byte*>(to) + shape.offset(p) * size;
    if (transposed) {
      const int64_t steps = shape.k / step_elements(shape.product);
      pack_columns({steps, panel.columns, panel.stored}, source, ldb * size, shape.k * size - steps * kStepBytes, out);
    } else if (shape.product == Product::f32) {
      pack_rows_f32(panel, source, ldb * size, out);
    } else {
      pack_rows_bf16(panel, source, ldb * size, out);
    }
  }
}

void pack_b(const PackShape& shape, const void* from, int64_t ldb, void* to) {
  pack_b_panels(shape, from, ldb, false, 0, shape.panels(), to);
}

void pack_b_transposed(const PackShape& shape, const void* from, int64_t ldb, void* to) {
  pack_b_panels(shape, from, ldb, true, 0, shape.panels(), to);
}

void unpack_b(const PackShape& shape, const void* packed, void* to, int64_t ldb) {
  const int64_t size = element_bytes(shape.product);
  each_element(shape, [&](int64_t k, int64_t n, int64_t at) {
    std::memcpy(static_cast<std::byte*>(to) + (k * ldb + n) * size, static_cast<const std::byte*>(packed) + at,
                static_cast<size_t>(size));
  });
}

void unpack_b_transposed(const PackShape& shape, const void* packed, void* to, int64_t ldb) {
  const int64_t size = element_bytes(shape.product);
  each_element(shape, [&](int64_t k, int64_t n, int64_t at) {
    std::memcpy(static_cast<std::byte*>(to) + (n * ldb + k) * size, static_cast<const std::byte*>(packed) + at,
                static_cast<size_t>(size));
  });
}

}  // namespace slipway::gemm
