// Attributes of Softmax, LogSoftmax and Hardmax.
#pragma once

#include <tuple>

#include "ir/attrs.hpp"

namespace slipway::ops {

/// One axis is normalised (the meaning since opset 13; older models are rewritten on import).
struct SoftmaxAttrs {
  int64_t axis = -1;
  bool operator==(const SoftmaxAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{ir::field("axis", &SoftmaxAttrs::axis)}; }
};

}  // namespace slipway::ops
