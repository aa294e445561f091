// Attributes of the one-operand operators that have any.
#pragma once

#include "ops/op.hpp"

namespace slipway::ops {

struct IsInfAttrs {
  bool detect_negative = true;
  bool detect_positive = true;
  bool operator==(const IsInfAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("detect_negative", &IsInfAttrs::detect_negative),
                      field("detect_positive", &IsInfAttrs::detect_positive)};
  }
};

}  // namespace slipway::ops
