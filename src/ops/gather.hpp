// Gather, GatherElements, GatherND: reading by index.
#pragma once

#include "ir/attrs.hpp"

namespace slipway::ops {

/// Gather and GatherElements.
struct GatherAttrs {
  int64_t axis = 0;
  bool operator==(const GatherAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{ir::field("axis", &GatherAttrs::axis)}; }
};

struct GatherNDAttrs {
  int64_t batch_dims = 0;
  bool operator==(const GatherNDAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{ir::field("batch_dims", &GatherNDAttrs::batch_dims)}; }
};

}  // namespace slipway::ops
