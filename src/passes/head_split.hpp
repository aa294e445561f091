// Where the elements of a per-head tensor [batch, heads, length, size] come from: through reshapes, transposes, slices and splits
// back to one tensor [batch, length, channels], in which the heads lie side by side.
#pragma once

#include "passes/match.hpp"

namespace slipway::passes {

struct HeadSplit {
  ir::ValueId source = ir::kNone;  ///< [batch, length, channels]
  int64_t channels = 0;
  int64_t offset = 0;  ///< the first channel of head 0; head h starts at offset + h * size
  int64_t heads = 0, size = 0;
};

/// The split that makes `value`; nullopt when it is made otherwise. `swapped`: `value` is [batch, heads, size, length].
std::optional<HeadSplit> head_split(const Site& site, ir::ValueId value, bool swapped = false);

/// The value [batch, length, heads * size] in which the heads of `heads` [batch, heads, length, size] are laid side by side, when
/// that is all that becomes of it.
std::optional<ir::ValueId> heads_joined(const Site& site, ir::ValueId heads);

}  // namespace slipway::passes
