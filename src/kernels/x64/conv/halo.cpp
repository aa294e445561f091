#include "kernels/x64/conv/halo.hpp"

#include <cstring>

namespace slipway::conv {

namespace {

/// Row y of the padded plane at `from`.
void pad_row(const Window2d& window, int64_t block, int64_t y, const float* from, float* to) {
  const int64_t inner = window.w.in * block, in_row = y - window.h.pad_begin;
  if (in_row < 0 || in_row >= window.h.in) {
    std::memset(to, 0, static_cast<size_t>(window.padded_w() * block) * sizeof(float));
    return;
  }
  const int64_t left = window.w.pad_begin * block, right = window.w.pad_end * block;
  std::memset(to, 0, static_cast<size_t>(left) * sizeof(float));
  std::memcpy(to + left, from + in_row * inner, static_cast<size_t>(inner) * sizeof(float));
  std::memset(to + left + inner, 0, static_cast<size_t>(right) * sizeof(float));
}

}  // namespace

void pad_blocks(const Window2d& window, int64_t planes, int64_t block, const float* from, float* to, Team& team) {
  const int64_t height = window.padded_h(), row = window.padded_w() * block, plane = window.h.in * window.w.in * block;
  auto task = [&](int thread, int threads) {
    const Team::Range range = Team::share(planes * height, thread, threads);
    for (int64_t i = range.begin; i < range.end; ++i) pad_row(window, block, i % height, from + i / height * plane, to + i * row);
  };
  team.run(task);
}

void pad_strip(const Window2d& window, const Strip& strip, int64_t planes, int64_t block, const float* from, float* to) {
  const int64_t row = window.padded_w() * block, plane = window.h.in * window.w.in * block;
  for (int64_t p = 0; p < planes; ++p) {
    for (int64_t y = 0; y < strip.rows; ++y)
      pad_row(window, block, strip.first + y, from + p * plane, to + (p * strip.plane_rows + y) * row);
  }
}

}  // namespace slipway::conv
