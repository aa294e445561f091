// Attributes of LayerNormalization and RMSNormalization.
#pragma once

#include <tuple>

#include "ir/attrs.hpp"

namespace slipway::ops {

/// Statistics over the axes [axis, rank); scale and bias broadcast to the input.
struct LayerNormalizationAttrs {
  int64_t axis = -1;
  float epsilon = 1e-5f;
  int64_t stash_type = 1;  ///< element type (ONNX number) of the statistics
  bool operator==(const LayerNormalizationAttrs&) const = default;
  static constexpr auto fields() {
    using A = LayerNormalizationAttrs;
    return std::tuple{ir::field("axis", &A::axis), ir::field("epsilon", &A::epsilon), ir::field("stash_type", &A::stash_type)};
  }
};

using RmsNormalizationAttrs = LayerNormalizationAttrs;

}  // namespace slipway::ops
