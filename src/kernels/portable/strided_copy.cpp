#include "kernels/portable/strided_copy.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "kernels/portable/runs.hpp"
#include "kernels/portable/transpose_tile.hpp"

namespace slipway::kernels {
namespace {

/// What a transposition reads of a source row at a time: whole cache lines.
constexpr int64_t kLineBytes = 64;
/// Elements of one piece of work.
constexpr int64_t kPiece = 16384;

/// Few columns beside each other in the result, each from a stream of its own: channels last, or pairs.
template <int kColumns, class T>
void interleave(const T* from, T* to, StridedCopy::Axis rows, int64_t column_step) {
  int64_t r = 0;
  if (rows.from_stride == 1 && rows.to_stride == kColumns) {
    if constexpr (kColumns == 2 && sizeof(T) <= 8) r = tile::weave2(from, from + column_step, to, rows.extent);
    if constexpr (kColumns == 3) r = tile::weave3(from, from + column_step, from + 2 * column_step, to, rows.extent);
  }
  for (; r < rows.extent; ++r) {
    for (int c = 0; c < kColumns; ++c) to[r * rows.to_stride + c] = from[r * rows.from_stride + c * column_step];
  }
}

/// Few rows: the streams of the result.
template <int kRows, class T>
void separate(const T* from, T* to, StridedCopy::Axis rows, StridedCopy::Axis columns) {
  int64_t c = 0;
  if (rows.from_stride == 1 && columns.from_stride == kRows) {
    if constexpr (kRows == 2 && sizeof(T) <= 8) c = tile::part2(from, to, to + rows.to_stride, columns.extent);
    if constexpr (kRows == 3) c = tile::part3(from, to, to + rows.to_stride, to + 2 * rows.to_stride, columns.extent);
  }
  for (; c < columns.extent; ++c) {
    for (int r = 0; r < kRows; ++r) to[r * rows.to_stride + c] = from[r * rows.from_stride + c * columns.from_stride];
  }
}

template <class T, int64_t kSide>
void transpose_by(const T* from, T* to, StridedCopy::Axis rows, StridedCopy::Axis columns) {
  constexpr int64_t kRows = std::max<int64_t>(kSide, kLineBytes / static_cast<int64_t>(sizeof(T)));
  for (int64_t r0 = 0; r0 < rows.extent; r0 += kRows) {
    const int64_t r1 = std::min(rows.extent, r0 + kRows);
    for (int64_t c = 0; c < columns.extent; c += kSide) {
      const int64_t column = std::min(c, columns.extent - kSide);
      for (int64_t r = r0; r < r1; r += kSide) {
        const int64_t row = std::min(r, rows.extent - kSide);
        const T* source = from + row + column * columns.from_stride;
        T* result = to + row * rows.to_stride + column;
        if constexpr (kSide == tile::kSide<T>) {
          tile::turn(source, columns.from_stride, result, rows.to_stride);
        } else {
          tile::turn_small(source, columns.from_stride, result, rows.to_stride);
        }
      }
    }
  }
}

/// rows.from_stride == 1 and columns.to_stride == 1: squares in registers; the last ones overlap those before.
template <class T>
void transpose(const T* from, T* to, StridedCopy::Axis rows, StridedCopy::Axis columns) {
  const int64_t least = std::min(rows.extent, columns.extent);
  if constexpr (sizeof(T) <= 8) {
    if (least >= tile::kSide<T>) return transpose_by<T, tile::kSide<T>>(from, to, rows, columns);
    if (least >= tile::kSmallSide<T>) return transpose_by<T, tile::kSmallSide<T>>(from, to, rows, columns);
  }
  for (int64_t r = 0; r < rows.extent; ++r) {
    T* row = to + r * rows.to_stride;
    for (int64_t c = 0; c < columns.extent; ++c) row[c] = from[r + c * columns.from_stride];
  }
}

template <class T>
void copy_rows(const T* from, T* to, StridedCopy::Axis rows, int64_t columns) {
  constexpr auto kWidth = static_cast<int64_t>(sizeof(T));
  runs::copy_rows(reinterpret_cast<std::byte*>(to), rows.to_stride * kWidth, reinterpret_cast<const std::byte*>(from),
                  rows.from_stride * kWidth, columns * kWidth, rows.extent);
}

template <class T>
void copy_tile(const T* from, T* to, StridedCopy::Axis rows, StridedCopy::Axis columns) {
  if (columns.from_stride == 1 && columns.to_stride == 1) return copy_rows(from, to, rows, columns.extent);
  if (columns.from_stride == 0 && columns.to_stride == 1) {
    for (int64_t r = 0; r < rows.extent; ++r) runs::fill(to + r * rows.to_stride, from[r * rows.from_stride], columns.extent);
    return;
  }
  if (columns.to_stride == 1) {
    if (columns.extent == 2) return interleave<2>(from, to, rows, columns.from_stride);
    if (columns.extent == 3) return interleave<3>(from, to, rows, columns.from_stride);
    if (columns.extent == 4 && tile::kSide<T> != 4) return interleave<4>(from, to, rows, columns.from_stride);
    if (rows.extent == 2) return separate<2>(from, to, rows, columns);
    if (rows.extent == 3) return separate<3>(from, to, rows, columns);
    if (rows.extent == 4 && tile::kSide<T> != 4) return separate<4>(from, to, rows, columns);
    if (rows.from_stride == 1) return transpose(from, to, rows, columns);
  }
  for (int64_t r = 0; r < rows.extent; ++r) {
    T* row = to + r * rows.to_stride;
    const T* source = from + r * rows.from_stride;
    for (int64_t c = 0; c < columns.extent; ++c) row[c * columns.to_stride] = source[c * columns.from_stride];
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
  // A transposition goes by bands of rows that are whole cache lines of the source, as wide as stays in cache.
  constexpr int64_t kBand = std::max<int64_t>(4, 2 * kLineBytes / static_cast<int64_t>(sizeof(T)));
  const bool turned = rows_.from_stride == 1 && columns_.to_stride == 1 && columns_.from_stride != 1;
  const int64_t row_step = turned ? std::min(rows_.extent, std::max(kBand, kPiece / columns_.extent / kBand * kBand))
                                  : std::clamp<int64_t>(kPiece / columns_.extent, 1, rows_.extent);
  const int64_t most_columns = turned ? std::max<int64_t>(kBand, kPiece / row_step) : std::max(kPiece, columns_.extent / threads);
  const int64_t column_step = std::min(columns_.extent, most_columns);
  const int64_t row_pieces = (rows_.extent + row_step - 1) / row_step;
  const int64_t column_pieces = (columns_.extent + column_step - 1) / column_step;
  int64_t pieces = row_pieces * column_pieces;
  for (const Axis& a : outer_) pieces *= a.extent;
  const Team::Range range = Team::share(pieces, thread, threads);
  if (range.begin == range.end) return;
  // Counts through the pieces from the first of this share on.
  int64_t column = range.begin % column_pieces, row = range.begin / column_pieces % row_pieces;
  int64_t rest = range.begin / column_pieces / row_pieces, at_from = from_offset_, at_to = to_offset_;
  std::array<int64_t, kMostAxes> index{};
  for (size_t a = outer_.size(); a-- > 0;) {
    index[a] = rest % outer_[a].extent;
    at_from += index[a] * outer_[a].from_stride;
    at_to += index[a] * outer_[a].to_stride;
    rest /= outer_[a].extent;
  }
  for (int64_t i = range.begin; i < range.end; ++i) {
    const int64_t c = column * column_step, r = row * row_step;
    const Axis rows{std::min(row_step, rows_.extent - r), rows_.from_stride, rows_.to_stride};
    const Axis columns{std::min(column_step, columns_.extent - c), columns_.from_stride, columns_.to_stride};
    copy_tile(from + at_from + r * rows_.from_stride + c * columns_.from_stride,
              to + at_to + r * rows_.to_stride + c * columns_.to_stride, rows, columns);
    if (++column < column_pieces) continue;
    column = 0;
    if (++row < row_pieces) continue;
    row = 0;
    for (size_t a = outer_.size(); a-- > 0;) {
      at_from += outer_[a].from_stride;
      at_to += outer_[a].to_stride;
      if (++index[a] < outer_[a].extent) break;
      at_from -= outer_[a].extent * outer_[a].from_stride;
      at_to -= outer_[a].extent * outer_[a].to_stride;
      index[a] = 0;
    }
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
