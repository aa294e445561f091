// Attributes of GroupNormalization and InstanceNormalization.
#pragma once

#include <tuple>

#include "ir/attrs.hpp"

namespace slipway::ops {

/// Statistics per image over channels/num_groups channels and all of space; scale and bias are [C].
struct GroupNormalizationAttrs {
  float epsilon = 1e-5f;
  int64_t num_groups = 1;
  int64_t stash_type = 1;
  bool operator==(const GroupNormalizationAttrs&) const = default;
  static constexpr auto fields() {
    using A = GroupNormalizationAttrs;
    return std::tuple{ir::field("epsilon", &A::epsilon), ir::field("num_groups", &A::num_groups, true),
                      ir::field("stash_type", &A::stash_type)};
  }
};

struct InstanceNormalizationAttrs {
  float epsilon = 1e-5f;
  bool operator==(const InstanceNormalizationAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{ir::field("epsilon", &InstanceNormalizationAttrs::epsilon)}; }
};

}  // namespace slipway::ops
