// The zero-padded copy of a convolution's input that its taps read without asking for borders.
#pragma once

#include <cstdint>

#include "base/thread_pool.hpp"
#include "ops/window.hpp"

namespace slipway::conv {

/// A two-dimensional window (one axis: height 1).
struct Window2d {
  ops::WindowAxis h, w;
  int64_t padded_h() const { return h.in + h.pad_begin + h.pad_end; }
  int64_t padded_w() const { return w.in + w.pad_begin + w.pad_end; }
  bool has_halo() const { return h.pad_begin + h.pad_end + w.pad_begin + w.pad_end != 0; }
  int64_t taps() const { return h.kernel * w.kernel; }
};

/// Planes of pixels of that many bytes: from [planes][h.in][w.in] to [planes][padded_h][padded_w], zero around.
void pad_blocks(const Window2d& window, int64_t planes, int64_t pixel_bytes, const void* from, void* to, Team& team);

/// Rows of the padded input that lie in a buffer of their own.
struct Strip {
  int64_t first = 0, rows = 0;  ///< of the padded input
  int64_t plane_rows = 0;       ///< from plane to plane in the buffer, >= rows
};
/// The strip of what pad_blocks() gives: to [planes][plane_rows][padded_w].
void pad_strip(const Window2d& window, const Strip& strip, int64_t planes, int64_t pixel_bytes, const void* from, void* to);

}  // namespace slipway::conv
