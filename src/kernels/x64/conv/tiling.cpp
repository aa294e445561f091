#include "kernels/x64/conv/tiling.hpp"

#include <algorithm>

#include "base/thread_pool.hpp"

namespace slipway::conv {
namespace {

/// Sums at work that hide the latency of a multiply-add and the loads beside it.
constexpr int64_t kEnoughSums = 10;

class Builder {
 public:
  explicit Builder(const TilingSpec& spec) : s_(spec), step_(spec.window.w.stride * spec.pixel_bytes) {}

  Tiling run() {
    const int64_t width = s_.window.w.out, joined = s_.joined_rows(), most = s_.most_rows();
    const int64_t usual = joined > 1 ? joined * width : width / ((width + most - 1) / most);
    // Tiles that keep to rows need few kinds of code; where these are too narrow, tiles reach over row ends.
    const bool across = s_.flat() || (usual * gemm::vectors_of(s_.isa, s_.columns) < kEnoughSums && usual < most);
    for (size_t i = 0; i + 1 < s_.stretches.size(); ++i) {
      const int64_t begin = s_.stretches[i], end = s_.stretches[i + 1], whole = across ? end - begin : joined * width;
      made_.first.push_back(static_cast<int64_t>(made_.tiles.size()));
      for (int64_t at = begin; at < end; at += whole) split(at, std::min(whole, end - at));
    }
    made_.first.push_back(static_cast<int64_t>(made_.tiles.size()));
    return std::move(made_);
  }

 private:
  /// An even split into tiles.
  void split(int64_t begin, int64_t count) {
    const int64_t parts = (count + s_.most_rows() - 1) / s_.most_rows();
    for (int64_t i = 0; i < parts; ++i) {
      const Team::Range r = Team::share(count, static_cast<int>(i), static_cast<int>(parts));
      add(begin + r.begin, r.end - r.begin);
    }
  }

  int64_t in_offset(int64_t pixel) const {
    if (s_.flat()) return pixel * step_;
    const int64_t row = pixel / s_.window.w.out, y = s_.strip_rows > 0 ? row % s_.strip_rows : row;
    return y * s_.window.h.stride * s_.window.padded_w() * s_.pixel_bytes + pixel % s_.window.w.out * step_;
  }

  void add(int64_t pixel, int64_t rows) {
    const int64_t base = in_offset(pixel), width = s_.window.w.out;
    Tiling::Kind kind{static_cast<int>(rows), gemm::Rows::apart(static_cast<int32_t>(step_))};
    if (!s_.flat() && pixel / width != (pixel + rows - 1) / width) {
      std::vector<int32_t> displacements(static_cast<size_t>(rows));
      bool even = true;
      for (int64_t i = 0; i < rows; ++i) {
        const int64_t d = in_offset(pixel + i) - base;
        displacements[static_cast<size_t>(i)] = static_cast<int32_t>(d);
        even = even && d == i * step_;
      }
      if (!even) kind.a = gemm::Rows::at(std::move(displacements));
    }
    const auto same = [&](const Tiling::Kind& k) { return k.rows == kind.rows && k.a == kind.a; };
    const auto at = std::find_if(made_.kinds.begin(), made_.kinds.end(), same);
    made_.tiles.push_back({base, pixel, static_cast<int>(at - made_.kinds.begin())});
    if (at == made_.kinds.end()) made_.kinds.push_back(kind);
  }

  const TilingSpec& s_;
  int64_t step_;  ///< bytes from pixel to pixel of a row
  Tiling made_;
};

}  // namespace

bool TilingSpec::flat() const {
  return strip_rows == 0 && window.w.stride == 1 && window.h.stride == 1 && window.w.out == window.w.in;
}

int64_t TilingSpec::joined_rows() const {
  return std::max<int64_t>(1, most_rows() / window.w.out);
}

Tiling Tiling::make(const TilingSpec& spec) {
  return Builder(spec).run();
}

int Tiling::most_rows() const {
  int most = 0;
  for (const Kind& kind : kinds) most = std::max(most, kind.rows);
  return most;
}

}  // namespace slipway::conv
