// Reshape, Flatten, Squeeze, Unsqueeze: the same bytes under another shape.
#pragma once

#include "ir/attrs.hpp"

namespace slipway::ops {

struct ReshapeAttrs {
  bool allowzero = false;  ///< a 0 in the shape means "no elements" instead of "as the input"
  bool operator==(const ReshapeAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{ir::field("allowzero", &ReshapeAttrs::allowzero)}; }
};

struct FlattenAttrs {
  int64_t axis = 1;  ///< in [-rank, rank]: extents before it make the rows, those from it on the columns
  bool operator==(const FlattenAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{ir::field("axis", &FlattenAttrs::axis)}; }
};

}  // namespace slipway::ops
