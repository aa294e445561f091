// Packing of B into column panels: panel p holds columns [p * width, ...), k-major; columns beyond the
// matrix are zero. Of bfloat16 two rows of k lie together, element by element, an odd last one beside zeros.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/cpu.hpp"
#include "kernels/x64/gemm/microkernel.hpp"

namespace slipway::gemm {

/// Columns of a panel that suits GEMM with `n` columns: 32 on AVX-512, 24 or 16 on AVX2.
int default_panel_columns(Isa isa, int64_t n);

struct PackShape {
  int64_t k = 0, n = 0;
  int panel_columns = 0;  ///< multiple of the target's vector lanes
  Product product = Product::f32;

  static PackShape make(Isa isa, int64_t k, int64_t n, Product product = Product::f32);
  /// Rows of 4-byte steps.
  int64_t steps() const { return (k + step_elements(product) - 1) / step_elements(product); }
  int64_t panels() const { return (n + panel_columns - 1) / panel_columns; }
  /// Offset of panel p in elements.
  int64_t offset(int64_t p) const { return p * panel_columns * steps() * step_elements(product); }
  int64_t elements() const { return offset(panels()); }
  size_t bytes() const { return static_cast<size_t>(elements() * element_bytes(product)); }
};

/// B[k][n] of the product's type with rows `ldb` elements apart; `to` holds shape.bytes() and is aligned to 4 bytes.
void pack_b(const PackShape& shape, const void* from, int64_t ldb, void* to);
/// The same from B transposed: from[n][k] with rows `ldb` elements apart.
void pack_b_transposed(const PackShape& shape, const void* from, int64_t ldb, void* to);
/// Undoes pack_b: writes B[k][n].
void unpack_b(const PackShape& shape, const void* packed, void* to, int64_t ldb);
/// Undoes pack_b_transposed: writes [n][k].
void unpack_b_transposed(const PackShape& shape, const void* packed, void* to, int64_t ldb);
/// Panels [first, last) of pack_b and pack_b_transposed, for packing by several threads.
void pack_b_panels(const PackShape& shape, const void* from, int64_t ldb, bool transposed, int64_t first, int64_t last, void* to);

}  // namespace slipway::gemm
