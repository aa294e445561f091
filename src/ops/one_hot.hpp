// Attributes of OneHot.
#pragma once

#include "ir/attrs.hpp"

namespace slipway::ops {

struct OneHotAttrs {
  int64_t axis = -1;  ///< of the output
  bool operator==(const OneHotAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{ir::field("axis", &OneHotAttrs::axis)}; }
};

}  // namespace slipway::ops
