// Winograd's minimal filtering F(m x m, 3 x 3): Y = A^T [(G g G^T) * (B^T d B)] A on tiles of (m + 2) x (m + 2) inputs, by the
// construction of Cook and Toom on the points 0, 1, -1, 2, -2, 1/2, -1/2 (as many as needed) and infinity.
#pragma once

#include <cstdint>
#include <span>

#include "base/tensor.hpp"
#include "kernels/x64/gemm/pack.hpp"

namespace slipway::conv {

/// A constant matrix, row-major.
struct Matrix {
  int rows = 0, columns = 0;
  std::span<const double> values;
  double at(int r, int c) const { return values[static_cast<size_t>(r) * static_cast<size_t>(columns) + static_cast<size_t>(c)]; }
};

/// One of the algorithms; m is 2, 4 or 6.
struct Winograd {
  int outputs = 2;  ///< m

  int size() const { return outputs + 2; }           ///< of an input tile
  int positions() const { return size() * size(); }  ///< products of a tile
  int64_t tiles(int64_t extent) const { return (extent + outputs - 1) / outputs; }
  Matrix input() const;   ///< B^T; rows 1 and 2, 3 and 4, ... differ only in the sign of some columns
  Matrix filter() const;  ///< G
  Matrix output() const;  ///< A^T; columns 1 and 2, 3 and 4, ... differ only in the sign of some rows
  /// A bound of the error of an output relative to the largest output, as measured on noise with a wide margin (the rounding of
  /// the transforms grows with the size of their coefficients, and as the cube root of the channels summed).
  double error_bound(int64_t channels) const;
};

/// Weights [out][in][3][3], f32 or bf16, to G g G^T, computed in double: for each position (column-major in the tile) a packed
/// matrix of `shape` (k: in, n: at least `out`). `to` holds positions() * shape.elements().
void transform_filters(const Winograd& winograd, const gemm::PackShape& shape, int64_t out, const Tensor& from, float* to);

}  // namespace slipway::conv
