// Arena offsets by liveness: buffers whose lifetimes overlap never share bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace slipway::plan {

struct Lifetime {
  size_t bytes = 0;
  uint32_t first = 0, last = 0;  ///< steps, inclusive
};

struct Arena {
  std::vector<size_t> offsets;  ///< 64-byte aligned, one per lifetime
  size_t bytes = 0;
  size_t live_peak = 0;  ///< the most (aligned) bytes alive at one step
};

/// Greedy by size with best fit; tries several orders and keeps the smallest.
Arena assign_offsets(const std::vector<Lifetime>& buffers);

}  // namespace slipway::plan
