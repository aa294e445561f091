// Shape: the extents [start, end) of a tensor as a 1-D i64 tensor. Size: their product.
#pragma once

#include <algorithm>

#include "ir/attrs.hpp"

namespace slipway::ops {

struct ShapeAttrs {
  int64_t start = 0;
  std::optional<int64_t> end;  ///< absent: to the last axis
  bool operator==(const ShapeAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{ir::field("end", &ShapeAttrs::end), ir::field("start", &ShapeAttrs::start)};
  }

  /// The axes [first, last) that a tensor of this rank yields; negatives counted from the end, then clamped.
  std::pair<int64_t, int64_t> range(int64_t rank) const {
    const auto bound = [rank](int64_t v) { return std::clamp<int64_t>(v < 0 ? v + rank : v, 0, rank); };
    const int64_t first = bound(start), last = bound(end.value_or(rank));
    return {first, std::max(first, last)};
  }
};

}  // namespace slipway::ops
