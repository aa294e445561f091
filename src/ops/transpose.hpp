// Transpose: output axis i is input axis perm[i].
#pragma once

#include "ir/attrs.hpp"

namespace slipway::ops {

struct TransposeAttrs {
  std::vector<int64_t> perm;  ///< empty: all axes reversed
  bool operator==(const TransposeAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{ir::field("perm", &TransposeAttrs::perm)}; }
};

/// The permutation for a tensor of this rank; empty with a rank above 0 when `perm` is not a permutation of its axes.
inline std::vector<int> permutation(const TransposeAttrs& attrs, int rank) {
  std::vector<int> out;
  if (attrs.perm.empty()) {
    for (int i = rank - 1; i >= 0; --i) out.push_back(i);
    return out;
  }
  uint64_t seen = 0;
  for (const int64_t axis : attrs.perm) {
    if (axis < 0 || axis >= rank || (seen >> axis & 1) != 0) return {};
    seen |= uint64_t{1} << axis;
    out.push_back(static_cast<int>(axis));
  }
  if (static_cast<int>(out.size()) != rank) return {};
  return out;
}

}  // namespace slipway::ops
