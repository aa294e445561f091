// Slice has no attributes (starts, ends, axes and steps are inputs); this is their meaning, for kernels and passes.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "base/dims.hpp"
#include "base/format.hpp"

namespace slipway::ops {

/// What is taken of one axis: elements start, start + step, ... (count of them).
struct SliceRange {
  int64_t start = 0;
  int64_t step = 1;
  int64_t count = 0;
};

/// The range that start, end and step take of an axis of `extent`: negatives count from the end, then both are clamped. step !=
/// 0.
inline SliceRange slice_range(int64_t extent, int64_t start, int64_t end, int64_t step) {
  if (extent == 0) return {0, step, 0};
  if (start < 0) start += extent;
  if (end < 0) end += extent;
  start = std::clamp<int64_t>(start, 0, step > 0 ? extent : extent - 1);
  end = std::clamp<int64_t>(end, step > 0 ? 0 : -1, extent);
  const int64_t distance = step > 0 ? end - start : start - end;
  if (distance <= 0) return {0, step, 0};
  const uint64_t stride = step > 0 ? static_cast<uint64_t>(step) : uint64_t{0} - static_cast<uint64_t>(step);
  return {start, step, static_cast<int64_t>((static_cast<uint64_t>(distance) - 1) / stride) + 1};
}

/// One range per axis of `dims`. `axes` and `steps` may be empty (0, 1, ... and 1).
inline Result<std::vector<SliceRange>> slice_ranges(const Dims& dims, std::span<const int64_t> starts,
                                                    std::span<const int64_t> ends, std::span<const int64_t> axes,
                                                    std::span<const int64_t> steps) {
  std::vector<SliceRange> out;
  for (int i = 0; i < dims.rank(); ++i) out.push_back({0, 1, dims[i]});
  if (ends.size() != starts.size() || (!axes.empty() && axes.size() != starts.size()) ||
      (!steps.empty() && steps.size() != starts.size()) || starts.size() > out.size()) {
    return fail(ErrorCode::invalid_model, "starts, ends, axes and steps have {}, {}, {} and {} elements for a tensor of rank {}",
                starts.size(), ends.size(), axes.size(), steps.size(), dims.rank());
  }
  uint32_t seen = 0;
  for (size_t i = 0; i < starts.size(); ++i) {
    int64_t axis = axes.empty() ? static_cast<int64_t>(i) : axes[i];
    if (axis < 0) axis += dims.rank();
    const int64_t step = steps.empty() ? 1 : steps[i];
    if (axis < 0 || axis >= dims.rank() || (seen >> axis & 1) != 0) {
      return fail(ErrorCode::invalid_model, "axis {} is out of range or repeated for a tensor of rank {}", axis, dims.rank());
    }
    if (step == 0) return fail(ErrorCode::invalid_model, "the step of axis {} is 0", axis);
    seen |= 1u << axis;
    out[static_cast<size_t>(axis)] = slice_range(dims[static_cast<int>(axis)], starts[i], ends[i], step);
  }
  return out;
}

}  // namespace slipway::ops
