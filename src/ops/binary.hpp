// Attributes of the two-operand operators that have any.
#pragma once

#include <string>

#include "ops/op.hpp"

namespace slipway::ops {

struct ModAttrs {
  bool fmod = false;  ///< true: the sign of A (C's fmod); false: the sign of B
  bool operator==(const ModAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("fmod", &ModAttrs::fmod)}; }
};

struct BitShiftAttrs {
  std::string direction;  ///< "LEFT" or "RIGHT"
  bool operator==(const BitShiftAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("direction", &BitShiftAttrs::direction, true)}; }
};

}  // namespace slipway::ops
