// Attributes of LRN, LpNormalization and MeanVarianceNormalization.
#pragma once

#include <tuple>
#include <vector>

#include "ir/attrs.hpp"

namespace slipway::ops {

/// y = x / (bias + alpha / size * sum of squares over `size` neighbouring channels) ^ beta.
struct LrnAttrs {
  float alpha = 1e-4f, beta = 0.75f, bias = 1.0f;
  int64_t size = 1;
  bool operator==(const LrnAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{ir::field("alpha", &LrnAttrs::alpha), ir::field("beta", &LrnAttrs::beta),
                      ir::field("bias", &LrnAttrs::bias), ir::field("size", &LrnAttrs::size, true)};
  }
};

struct LpNormalizationAttrs {
  int64_t axis = -1;
  int64_t p = 2;  ///< 1 or 2
  bool operator==(const LpNormalizationAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{ir::field("axis", &LpNormalizationAttrs::axis), ir::field("p", &LpNormalizationAttrs::p)};
  }
};

struct MeanVarianceNormalizationAttrs {
  std::vector<int64_t> axes = {0, 2, 3};
  bool operator==(const MeanVarianceNormalizationAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{ir::field("axes", &MeanVarianceNormalizationAttrs::axes)}; }
};

}  // namespace slipway::ops
