// Packing of B into column panels: panel p holds columns [p * width, ...), k-major; columns beyond the
// matrix are zero. Panel p starts at p * width * k elements.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/cpu.hpp"

namespace slipway::gemm {

/// Columns of a panel that suits GEMM with `n` columns: 32 on AVX-512, 24 or 16 on AVX2.
int default_panel_columns(Isa isa, int64_t n);

struct PackShape {
  int64_t k = 0, n = 0;
  int panel_columns = 0;  ///< multiple of the target's vector lanes

  static PackShape make(Isa isa, int64_t k, int64_t n);
  int64_t panels() const { return (n + panel_columns - 1) / panel_columns; }
  /// Offset of panel p in elements.
  int64_t offset(int64_t p) const { return p * panel_columns * k; }
  int64_t elements() const { return offset(panels()); }
  size_t bytes() const { return static_cast<size_t>(elements()) * sizeof(float); }
};

/// B[k][n] with rows `ldb` elements apart; `to` holds shape.elements(). `from` and `to` are aligned to their element.
void pack_b(const PackShape& shape, const float* from, int64_t ldb, float* to);
/// The same from B transposed: from[n][k] with rows `ldb` elements apart.
void pack_b_transposed(const PackShape& shape, const float* from, int64_t ldb, float* to);
/// Undoes pack_b: writes B[k][n].
void unpack_b(const PackShape& shape, const float* packed, float* to, int64_t ldb);
/// Panels [first, last) of pack_b and pack_b_transposed, for packing by several threads.
void pack_b_panels(const PackShape& shape, const float* from, int64_t ldb, bool transposed, int64_t first, int64_t last,
                   float* to);

}  // namespace slipway::gemm
