// Loops over up to three broadcast operands of plain buffers: axes of equal behaviour merged, the innermost one left to a
// function.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/dims.hpp"
#include "base/thread_pool.hpp"

namespace slipway::kernels {

constexpr size_t kMostLoopOperands = 3;

class BroadcastLoop {
 public:
  using Pointers = std::array<const std::byte*, kMostLoopOperands>;
  using Steps = std::array<int64_t, kMostLoopOperands>;
  /// `count` results from `out` on; operand i moves by steps[i] elements (0 or 1) a result.
  using Inner = void (*)(std::byte* out, const Pointers& operands, const Steps& steps, int64_t count);

  /// `widths`: bytes of an element of each operand. Operands must broadcast to `result`, which must not be empty.
  BroadcastLoop(const Dims& result, int out_width, const std::vector<Dims>& operands, const std::vector<int>& widths);

  /// The share of one thread. Allocates nothing.
  void run(Inner inner, const Pointers& operands, std::byte* out, int thread, int threads) const;

 private:
  struct Axis {
    int64_t extent;
    Steps strides;  ///< in elements
  };
  std::vector<Axis> outer_;
  int64_t columns_ = 1, rows_ = 1, out_width_;
  Steps steps_{}, widths_{};
  size_t operands_;
};

}  // namespace slipway::kernels
