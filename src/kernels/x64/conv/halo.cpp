#include "kernels/x64/conv/halo.hpp"

#include <cstring>

namespace slipway::conv {

void pad_blocks(const Window2d& window, int64_t planes, int64_t block, const float* from, float* to, Team& team) {
  const int64_t height = window.padded_h(), row = window.padded_w() * block, inner = window.w.in * block;
  const int64_t left = window.w.pad_begin * block, right = window.w.pad_end * block;
  auto task = [&](int thread, int threads) {
    const Team::Range range = Team::share(planes * height, thread, threads);
    for (int64_t i = range.begin; i < range.end; ++i) {
      const int64_t plane = i / height, y = i % height - window.h.pad_begin;
      float* out = to + i * row;
      if (y < 0 || y >= window.h.in) {
        std::memset(out, 0, static_cast<size_t>(row) * sizeof(float));
        continue;
      }
      std::memset(out, 0, static_cast<size_t>(left) * sizeof(float));
      std::memcpy(out + left, from + (plane * window.h.in + y) * inner, static_cast<size_t>(inner) * sizeof(float));
      std::memset(out + left + inner, 0, static_cast<size_t>(right) * sizeof(float));
    }
  };
  team.run(task);
}

void pad_interleave(const Window2d& window, int64_t channels, const float* from, float* to, Team& team) {
  const int64_t height = window.padded_h(), row = window.padded_w() * channels, plane = window.h.in * window.w.in;
  auto task = [&](int thread, int threads) {
    const Team::Range range = Team::share(height, thread, threads);
    for (int64_t i = range.begin; i < range.end; ++i) {
      const int64_t y = i - window.h.pad_begin;
      float* out = to + i * row;
      std::memset(out, 0, static_cast<size_t>(row) * sizeof(float));
      if (y < 0 || y >= window.h.in) continue;
      float* at = out + window.w.pad_begin * channels;
      for (int64_t c = 0; c < channels; ++c) {
        const float* line = from + c * plane + y * window.w.in;
        for (int64_t x = 0; x < window.w.in; ++x) at[x * channels + c] = line[x];
      }
    }
  };
  team.run(task);
}

}  // namespace slipway::conv
