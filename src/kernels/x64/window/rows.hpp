// Runs a RowKernel over all rows of a blocked16 tensor.
#pragma once

#include "kernels/x64/window/row_kernel.hpp"

namespace slipway::window {

/// Tap rows of one output row that are inside the input.
struct RowTaps {
  int64_t first_tap = 0, count = 0;
  int64_t in_row = 0;  ///< input row of the first tap
};

/// For each output row; empty when some window has no row inside the input.
inline std::vector<RowTaps> row_taps(const ops::WindowAxis& rows) {
  std::vector<RowTaps> out;
  for (int64_t o = 0; o < rows.out; ++o) {
    RowTaps t;
    for (int64_t k = 0; k < rows.kernel; ++k) {
      const int64_t in = o * rows.stride - rows.pad_begin + k * rows.dilation;
      if (in < 0 || in >= rows.in) continue;
      if (t.count++ > 0) continue;
      t.first_tap = k;
      t.in_row = in;
    }
    if (t.count == 0) return {};
    out.push_back(t);
  }
  return out;
}

}  // namespace slipway::window
