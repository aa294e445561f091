// Attributes of the Reduce* operators; the axes are input 1.
#pragma once

#include <vector>

#include "ops/op.hpp"

namespace slipway::ops {

struct ReduceAttrs {
  bool keepdims = true;
  bool noop_with_empty_axes = false;  ///< without axes: true reduces nothing, false reduces all
  bool operator==(const ReduceAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("keepdims", &ReduceAttrs::keepdims),
                      field("noop_with_empty_axes", &ReduceAttrs::noop_with_empty_axes)};
  }
};

/// ArgMax and ArgMin.
struct ArgReduceAttrs {
  int64_t axis = 0;
  bool keepdims = true;
  bool select_last_index = false;
  bool operator==(const ArgReduceAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("axis", &ArgReduceAttrs::axis), field("keepdims", &ArgReduceAttrs::keepdims),
                      field("select_last_index", &ArgReduceAttrs::select_last_index)};
  }
};

/// CumSum and CumProd; the axis is input 1.
struct CumulativeAttrs {
  bool exclusive = false;
  bool reverse = false;
  bool operator==(const CumulativeAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("exclusive", &CumulativeAttrs::exclusive), field("reverse", &CumulativeAttrs::reverse)};
  }
};

}  // namespace slipway::ops
