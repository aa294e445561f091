// Pad: inputs data, pads (begins then ends), constant_value, axes.
#pragma once

#include "ir/attrs.hpp"

namespace slipway::ops {

struct PadAttrs {
  std::string mode = "constant";  ///< constant | reflect | edge | wrap
  bool operator==(const PadAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{ir::field("mode", &PadAttrs::mode)}; }
};

/// The source index that padded index i (counted from the data's first element, may be negative) repeats in an axis of
/// `extent` > 0 elements, by the rule of `mode`; -1 for constant outside the data.
inline int64_t pad_source(std::string_view mode, int64_t i, int64_t extent) {
  if (i >= 0 && i < extent) return i;
  if (mode == "edge") return i < 0 ? 0 : extent - 1;
  if (mode == "wrap") return ((i % extent) + extent) % extent;
  if (mode == "reflect") {
    if (extent == 1) return 0;
    const int64_t period = 2 * (extent - 1), at = ((i % period) + period) % period;
    return at < extent ? at : period - at;
  }
  return -1;
}

}  // namespace slipway::ops
