#include "kernels/x64/conv/halo.hpp"

#include <cstring>

namespace slipway::conv {

namespace {

/// Row y of the padded plane at `from`.
void pad_row(const Window2d& window, int64_t pixel_bytes, int64_t y, const std::byte* from, std::byte* to) {
  const auto inner = static_cast<size_t>(window.w.in * pixel_bytes);
  const int64_t in_row = y - window.h.pad_begin;
  if (in_row < 0 || in_row >= window.h.in) {
    std::memset(to, 0, static_cast<size_t>(window.padded_w() * pixel_bytes));
    return;
  }
  const auto left = static_cast<size_t>(window.w.pad_begin * pixel_bytes);
  std::memset(to, 0, left);
  std::memcpy(to + left, from + static_cast<size_t>(in_row) * inner, inner);
  std::memset(to + left + inner, 0, static_cast<size_t>(window.w.pad_end * pixel_bytes));
}

}  // namespace

void pad_blocks(const Window2d& window, int64_t planes, int64_t pixel_bytes, const void* from, void* to, Team& team) {
  const int64_t height = window.padded_h(), row = window.padded_w() * pixel_bytes,
                plane = window.h.in * window.w.in * pixel_bytes;
  auto task = [&](int thread, int threads) {
    const Team::Range range = Team::share(planes * height, thread, threads);
    for (int64_t i = range.begin; i < range.end; ++i) {
      pad_row(window, pixel_bytes, i % height, static_cast<const std::byte*>(from) + i / height * plane,
              static_cast<std::byte*>(to) + i * row);
    }
  };
  team.run(task);
}

void pad_strip(const Window2d& window, const Strip& strip, int64_t planes, int64_t pixel_bytes, const void* from, void* to) {
  const int64_t row = window.padded_w() * pixel_bytes, plane = window.h.in * window.w.in * pixel_bytes;
  for (int64_t p = 0; p < planes; ++p) {
    for (int64_t y = 0; y < strip.rows; ++y) {
      pad_row(window, pixel_bytes, strip.first + y, static_cast<const std::byte*>(from) + p * plane,
              static_cast<std::byte*>(to) + (p * strip.plane_rows + y) * row);
    }
  }
}

}  // namespace slipway::conv
