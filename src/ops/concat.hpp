// Concat: tensors one after another along an axis.
#pragma once

#include "ir/attrs.hpp"

namespace slipway::ops {

struct ConcatAttrs {
  int64_t axis = 0;  ///< in [-rank, rank)
  bool operator==(const ConcatAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{ir::field("axis", &ConcatAttrs::axis, true)}; }
};

}  // namespace slipway::ops
