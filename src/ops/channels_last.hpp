// Operators with the channels last are those with the channels in second place between two Transposes.
#pragma once

#include "ops/function.hpp"
#include "ops/transpose.hpp"

namespace slipway::ops {

/// Channels from the last place to the second, or back.
inline ir::ValueId moved_channels(FunctionBody& b, ir::ValueId v, bool to_second) {
  const auto rank = static_cast<int64_t>(b.rank(v));
  if (rank < 3) return v;
  std::vector<int64_t> perm{0};
  if (to_second) perm.push_back(rank - 1);
  for (int64_t i = to_second ? 1 : 2; i < (to_second ? rank - 1 : rank); ++i) perm.push_back(i);
  if (!to_second) perm.push_back(1);
  return b.node("Transpose", TransposeAttrs{.perm = std::move(perm)}, {v});
}

}  // namespace slipway::ops
