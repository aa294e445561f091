#include "kernels/portable/strided_copy.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace slipway::kernels {
namespace {

/// Both sides of a transposed tile stay in L1.
constexpr int64_t kTile = 32;
/// Elements of one piece of work.
constexpr int64_t kPiece = 4096;

struct Wide {
  uint64_t low, high;
};

template <class T>
void copy_tile(const T* from, T* to, StridedCopy::Axis rows, StridedCopy::Axis columns) {
  if (columns.from_stride == 1 && columns.to_stride == 1) {
    for (int64_t r = 0; r < rows.extent; ++r) {
      std::memcpy(to + r * rows.to_stride, from + r * rows.from_stride, static_cast<size_t>(columns.extent) * sizeof(T));
    }
  } else if (columns.from_stride == 0 && columns.to_stride == 1) {
    for (int64_t r = 0; r < rows.extent; ++r) {
      T* row = to + r * rows.to_stride;
      std::fill(row, row + columns.extent, from[r * rows.from_stride]);
    }
  } else if (rows.from_stride == 1 && columns.to_stride == 1) {
    for (int64_t c0 = 0; c0 < columns.extent; c0 += kTile) {
      const int64_t c1 = std::min(columns.extent, c0 + kTile);
      for (int64_t r0 = 0; r0 < rows.extent; r0 += kTile) {
        const int64_t r1 = std::min(rows.extent, r0 + kTile);
        for (int64_t r = r0; r < r1; ++r) {
          T* row = to + r * rows.to_stride;
          const T* column = from + r;
          for (int64_t c = c0; c < c1; ++c) row[c] = column[c * columns.from_stride];
        }
      }
    }
  } else {
    for (int64_t r = 0; r < rows.extent; ++r) {
      T* row = to + r * rows.to_stride;
      const T* source = from + r * rows.from_stride;
      for (int64_t c = 0; c < columns.extent; ++c) row[c * columns.to_stride] = source[c * columns.from_stride];
    }
  }
}

}  // namespace

StridedCopy::StridedCopy(std::vector<Axis> axes, int64_t from_offset, int64_t to_offset, int width)
    : from_offset_(from_offset), to_offset_(to_offset), width_(width) {
  std::erase_if(axes, [](const Axis& a) { return a.extent == 1; });
  for (const Axis& a : axes) {
    Axis* last = outer_.empty() ? nullptr : &outer_.back();
    if (last != nullptr && last->from_stride == a.from_stride * a.extent && last->to_stride == a.to_stride * a.extent) {
      *last = {last->extent * a.extent, a.from_stride, a.to_stride};
    } else {
      outer_.push_back(a);
    }
  }
  if (outer_.empty()) return;
  columns_ = outer_.back();
  outer_.pop_back();
  if (outer_.empty()) return;
  // A transposition reads neighbours along some other axis: it becomes the rows.
  auto rows = outer_.end() - 1;
  if (columns_.from_stride != 1) {
    const auto dense = std::find_if(outer_.begin(), outer_.end(), [](const Axis& a) { return a.from_stride == 1; });
    if (dense != outer_.end()) rows = dense;
  }
  rows_ = *rows;
  outer_.erase(rows);
}

int64_t StridedCopy::elements() const {
  int64_t n = rows_.extent * columns_.extent;
  for (const Axis& a : outer_) n *= a.extent;
  return n;
}

template <class T>
void StridedCopy::run_as(const T* from, T* to, int thread, int threads) const {
  const int64_t row_step = std::clamp<int64_t>(kPiece / columns_.extent, 1, rows_.extent);
  const int64_t column_step = std::min(columns_.extent, std::max(kPiece, columns_.extent / threads));
  const int64_t row_pieces = (rows_.extent + row_step - 1) / row_step;
  const int64_t column_pieces = (columns_.extent + column_step - 1) / column_step;
  int64_t pieces = row_pieces * column_pieces;
  for (const Axis& a : outer_) pieces *= a.extent;
  const Team::Range range = Team::share(pieces, thread, threads);
  for (int64_t i = range.begin; i < range.end; ++i) {
    const int64_t c = i % column_pieces * column_step, r = i / column_pieces % row_pieces * row_step;
    int64_t rest = i / column_pieces / row_pieces;
    int64_t at_from = from_offset_ + r * rows_.from_stride + c * columns_.from_stride;
    int64_t at_to = to_offset_ + r * rows_.to_stride + c * columns_.to_stride;
    for (size_t a = outer_.size(); a-- > 0;) {
      const int64_t index = rest % outer_[a].extent;
      at_from += index * outer_[a].from_stride;
      at_to += index * outer_[a].to_stride;
      rest /= outer_[a].extent;
    }
    const Axis rows{std::min(row_step, rows_.extent - r), rows_.from_stride, rows_.to_stride};
    const Axis columns{std::min(column_step, columns_.extent - c), columns_.from_stride, columns_.to_stride};
    copy_tile(from + at_from, to + at_to, rows, columns);
  }
}

void StridedCopy::run(const void* from, void* to, int thread, int threads) const {
  switch (width_) {
    case 1:
      return run_as(static_cast<const uint8_t*>(from), static_cast<uint8_t*>(to), thread, threads);
    case 2:
      return run_as(static_cast<const uint16_t*>(from), static_cast<uint16_t*>(to), thread, threads);
    case 4:
      return run_as(static_cast<const uint32_t*>(from), static_cast<uint32_t*>(to), thread, threads);
    case 8:
      return run_as(static_cast<const uint64_t*>(from), static_cast<uint64_t*>(to), thread, threads);
    default:
      return run_as(static_cast<const Wide*>(from), static_cast<Wide*>(to), thread, threads);
  }
}

}  // namespace slipway::kernels
