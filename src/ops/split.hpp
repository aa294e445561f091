// Split: a tensor cut into pieces along an axis; the sizes are input 1, or equal pieces (the last one smaller).
#pragma once

#include <algorithm>

#include "ir/attrs.hpp"

namespace slipway::ops {

struct SplitAttrs {
  int64_t axis = 0;
  std::optional<int64_t> num_outputs;  ///< absent: the number of outputs of the node
  bool operator==(const SplitAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{ir::field("num_outputs", &SplitAttrs::num_outputs), ir::field("axis", &SplitAttrs::axis)};
  }
};

/// The sizes of `pieces` (> 0) equal pieces of `extent`, the last ones smaller when it does not divide.
inline std::vector<int64_t> equal_split(int64_t extent, int64_t pieces) {
  std::vector<int64_t> out;
  const int64_t each = extent / pieces + (extent % pieces != 0 ? 1 : 0);
  for (int64_t i = 0; i < pieces; ++i) out.push_back(std::clamp<int64_t>(extent - i * each, 0, each));
  return out;
}

}  // namespace slipway::ops
