// TopK: the k largest or smallest of an axis, with their positions.
#pragma once

#include "ir/attrs.hpp"

namespace slipway::ops {

struct TopKAttrs {
  int64_t axis = -1;
  bool largest = true;
  bool sorted = true;
  bool operator==(const TopKAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{ir::field("sorted", &TopKAttrs::sorted), ir::field("largest", &TopKAttrs::largest),
                      ir::field("axis", &TopKAttrs::axis)};
  }
};

}  // namespace slipway::ops
