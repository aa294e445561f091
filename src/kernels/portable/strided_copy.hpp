// A copy between two strided arrays of the same extents: what transposes, slices, splits, repeats and paddings are.
#pragma once

#include <cstdint>
#include <vector>

#include "base/thread_pool.hpp"

namespace slipway::kernels {

class StridedCopy {
 public:
  /// Strides and offsets in elements; strides may be 0 or negative.
  struct Axis {
    int64_t extent, from_stride, to_stride;
  };
  static constexpr size_t kMostAxes = 32;
  /// `width`: bytes of one element, 1, 2, 4, 8 or 16. No extent may be 0; at most kMostAxes axes.
  StridedCopy(std::vector<Axis> axes, int64_t from_offset, int64_t to_offset, int width);

  /// The share of one thread. Allocates nothing.
  void run(const void* from, void* to, int thread, int threads) const;

  int64_t elements() const;

 private:
  template <class T>
  void run_as(const T* from, T* to, int thread, int threads) const;

  std::vector<Axis> outer_;  ///< outermost first
  Axis rows_{1, 0, 0}, columns_{1, 0, 0};
  int64_t from_offset_, to_offset_;
  int width_;
};

}  // namespace slipway::kernels
