// Attributes of BatchNormalization.
#pragma once

#include <tuple>

#include "ir/attrs.hpp"

namespace slipway::ops {

/// Inputs X [N, C, ...], scale, B, input_mean, input_var [C].
struct BatchNormalizationAttrs {
  float epsilon = 1e-5f;
  float momentum = 0.9f;
  bool training_mode = false;
  bool operator==(const BatchNormalizationAttrs&) const = default;
  static constexpr auto fields() {
    using A = BatchNormalizationAttrs;
    return std::tuple{ir::field("epsilon", &A::epsilon), ir::field("momentum", &A::momentum),
                      ir::field("training_mode", &A::training_mode)};
  }
};

}  // namespace slipway::ops
