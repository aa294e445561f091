#include "kernels/portable/broadcast_loop.hpp"

#include <algorithm>

namespace slipway::kernels {
namespace {

/// Results of one piece of a long row.
constexpr int64_t kPiece = 4096;

}  // namespace

BroadcastLoop::BroadcastLoop(const Dims& result, int out_width, const std::vector<Dims>& operands, const std::vector<int>& widths)
    : out_width_(out_width), operands_(operands.size()) {
  std::vector<Axis> axes;
  for (int i = 0; i < result.rank(); ++i) {
    if (result[i] == 1) continue;
    Axis axis{result[i], {}};
    for (size_t o = 0; o < operands.size(); ++o) {
      const int at = i - (result.rank() - operands[o].rank());
      if (at >= 0 && operands[o][at] != 1) axis.strides[o] = operands[o].count(at + 1, operands[o].rank());
    }
    Axis* last = axes.empty() ? nullptr : &axes.back();
    bool merges = last != nullptr;
    for (size_t o = 0; merges && o < operands.size(); ++o) merges = last->strides[o] == axis.strides[o] * axis.extent;
    if (merges) {
      *last = {last->extent * axis.extent, axis.strides};
    } else {
      axes.push_back(axis);
    }
  }
  for (size_t o = 0; o < widths.size(); ++o) widths_[o] = widths[o];
  if (axes.empty()) return;
  columns_ = axes.back().extent;
  steps_ = axes.back().strides;
  axes.pop_back();
  outer_ = std::move(axes);
  for (const Axis& a : outer_) rows_ *= a.extent;
}

void BroadcastLoop::run(Inner inner, const Pointers& operands, std::byte* out, int thread, int threads) const {
  const int64_t pieces = (columns_ + kPiece - 1) / kPiece;
  const Team::Range range = Team::share(rows_ * pieces, thread, threads);
  for (int64_t i = range.begin; i < range.end; ++i) {
    const int64_t row = i / pieces, column = i % pieces * kPiece;
    Pointers at{};
    for (size_t o = 0; o < operands_; ++o) {
      int64_t offset = column * steps_[o], rest = row;
      for (size_t a = outer_.size(); a-- > 0;) {
        offset += rest % outer_[a].extent * outer_[a].strides[o];
        rest /= outer_[a].extent;
      }
      at[o] = operands[o] + offset * widths_[o];
    }
    inner(out + (row * columns_ + column) * out_width_, at, steps_, std::min(kPiece, columns_ - column));
  }
}

}  // namespace slipway::kernels
