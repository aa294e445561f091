#include "kernels/x64/eltwise/iteration.hpp"

#include <algorithm>

namespace slipway::eltwise {
namespace {

/// Columns are shared in multiples of this, so that no two threads write one cache line of an aligned result.
constexpr int64_t kShareColumns = 64;

}  // namespace

void Iteration::axis(int64_t extent, const std::vector<bool>& present) {
  if (extent == 1) return;
  if (!axes_.empty() && axes_.back().present == present) {
    axes_.back().extent *= extent;
  } else {
    axes_.push_back({extent, present});
  }
}

void Iteration::finish() {
  const auto at = [&](size_t from_inner) -> const Axis* {
    return from_inner < axes_.size() ? &axes_[axes_.size() - 1 - from_inner] : nullptr;
  };
  const Axis *inner = at(0), *outer = at(1);
  columns_ = inner == nullptr ? 1 : inner->extent;
  rows_ = outer == nullptr ? 1 : outer->extent;
  for (size_t i = 2; i < axes_.size(); ++i) matrices_ *= at(i)->extent;
  for (size_t o = 0; o < strides_.size(); ++o) {
    const bool in_columns = inner != nullptr && inner->present[o], in_rows = outer != nullptr && outer->present[o];
    if (inner == nullptr) {
      spreads_.push_back(Spread::scalar);
    } else if (in_columns) {
      spreads_.push_back(in_rows || outer == nullptr ? Spread::full : Spread::column);
    } else {
      spreads_.push_back(in_rows ? Spread::row : Spread::scalar);
    }
    int64_t stride = in_columns ? columns_ : 1;
    row_strides_.push_back(in_rows ? stride : 0);
    if (in_rows) stride *= rows_;
    strides_[o].assign(axes_.size() < 2 ? 0 : axes_.size() - 2, 0);
    for (size_t i = 2; i < axes_.size(); ++i) {
      if (!at(i)->present[o]) continue;
      strides_[o][axes_.size() - 1 - i] = stride;
      stride *= at(i)->extent;
    }
  }
}

Iteration::Part Iteration::part_of(int thread, int threads) const {
  if (matrices_ >= threads) return {Team::share(matrices_, thread, threads), {0, rows_}, {0, columns_}};
  if (rows_ >= 2 * threads) return {{0, matrices_}, Team::share(rows_, thread, threads), {0, columns_}};
  Team::Range columns = Team::share((columns_ + kShareColumns - 1) / kShareColumns, thread, threads);
  columns = {std::min(columns_, columns.begin * kShareColumns), std::min(columns_, columns.end * kShareColumns)};
  return {{0, matrices_}, {0, rows_}, columns};
}

void Iteration::run(const Kernel& kernel, const std::array<const std::byte*, kMaxOperands>& operands, std::byte* out, int thread,
                    int threads) const {
  const Part part = part_of(thread, threads);
  if (part.rows.begin == part.rows.end || part.columns.begin == part.columns.end) return;
  KernelArgs args;
  args.rows = part.rows.end - part.rows.begin;
  args.columns = part.columns.end - part.columns.begin;
  args.out.row_bytes = columns_ * widths_.back();
  for (int64_t m = part.matrices.begin; m < part.matrices.end; ++m) {
    args.out.data = out + ((m * rows_ + part.rows.begin) * columns_ + part.columns.begin) * widths_.back();
    for (size_t o = 0; o < spreads_.size(); ++o) {
      int64_t offset = row_strides_[o] * part.rows.begin, rest = m;
      for (size_t i = strides_[o].size(); i-- > 0;) {
        offset += rest % axes_[i].extent * strides_[o][i];
        rest /= axes_[i].extent;
      }
      if (spreads_[o] == Spread::full || spreads_[o] == Spread::column) offset += part.columns.begin;
      args.operands[o] = {operands[o] + offset * widths_[o], spreads_[o] == Spread::full ? columns_ * widths_[o] : 0};
    }
    kernel(args);
  }
}

}  // namespace slipway::eltwise
