// Attributes of Gemm (MatMul has none) and the shape rule of batched products.
#pragma once

#include <tuple>

#include "base/format.hpp"
#include "ir/attrs.hpp"

namespace slipway::ops {

/// Y = alpha * op(A) * op(B) + beta * C; C broadcasts to [M, N].
struct GemmAttrs {
  float alpha = 1.0f, beta = 1.0f;
  bool transA = false, transB = false;
  bool operator==(const GemmAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{ir::field("alpha", &GemmAttrs::alpha), ir::field("beta", &GemmAttrs::beta),
                      ir::field("transA", &GemmAttrs::transA), ir::field("transB", &GemmAttrs::transB)};
  }
};

/// A batched product seen as matrices: rank-1 sides are promoted as NumPy does.
struct MatMulShape {
  int64_t m = 1, k = 1, n = 1;
  Dims batch;  ///< the broadcast leading extents of the output
  Dims a, b;   ///< the inputs' extents after promotion to rank >= 2
  Dims y;      ///< the output's extents, promoted axes removed
};

/// Errors name both shapes.
Result<MatMulShape> matmul_shape(const Dims& a, const Dims& b);

}  // namespace slipway::ops
