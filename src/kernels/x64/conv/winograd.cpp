#include "kernels/x64/conv/winograd.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/low_precision.hpp"

namespace slipway::conv {
namespace {

constexpr double kInput2[] = {1, 0, -1, 0, 0, 1, 1, 0, 0, -1, 1, 0, 0, -1, 0, 1};
constexpr double kFilter2[] = {1, 0, 0, 0.5, 0.5, 0.5, 0.5, -0.5, 0.5, 0, 0, 1};
constexpr double kOutput2[] = {1, 1, 1, 0, 0, 1, -1, 1};

constexpr double kInput4[] = {
    4, 0,  -5, 0,  1, 0,  //
    0, -4, -4, 1,  1, 0,  //
    0, 4,  -4, -1, 1, 0,  //
    0, -2, -1, 2,  1, 0,  //
    0, 2,  -1, -2, 1, 0,  //
    0, 4,  0,  -5, 0, 1,
};
constexpr double kFilter4[] = {
    1. / 4,  0,        0,        //
    -1. / 6, -1. / 6,  -1. / 6,  //
    -1. / 6, 1. / 6,   -1. / 6,  //
    1. / 24, 1. / 12,  1. / 6,   //
    1. / 24, -1. / 12, 1. / 6,   //
    0,       0,        1,
};
constexpr double kOutput4[] = {
    1, 1, 1,  1, 1,  0,  //
    0, 1, -1, 2, -2, 0,  //
    0, 1, 1,  4, 4,  0,  //
    0, 1, -1, 8, -8, 1,
};

constexpr double kInput6[] = {
    1, 0,    -5.25, 0,     5.25,  0,     -1, 0,  //
    0, 1,    1,     -4.25, -4.25, 1,     1,  0,  //
    0, -1,   1,     4.25,  -4.25, -1,    1,  0,  //
    0, 0.5,  0.25,  -2.5,  -1.25, 2,     1,  0,  //
    0, -0.5, 0.25,  2.5,   -1.25, -2,    1,  0,  //
    0, 2,    4,     -2.5,  -5,    0.5,   1,  0,  //
    0, -2,   4,     2.5,   -5,    -0.5,  1,  0,  //
    0, -1,   0,     5.25,  0,     -5.25, 0,  1,
};
constexpr double kFilter6[] = {
    1,        0,         0,        //
    -2. / 9,  -2. / 9,   -2. / 9,  //
    -2. / 9,  2. / 9,    -2. / 9,  //
    1. / 90,  1. / 45,   2. / 45,  //
    1. / 90,  -1. / 45,  2. / 45,  //
    32. / 45, 16. / 45,  8. / 45,  //
    32. / 45, -16. / 45, 8. / 45,  //
    0,        0,         1,
};
constexpr double kOutput6[] = {
    1, 1, 1,  1,  1,   1,       1,        0,  //
    0, 1, -1, 2,  -2,  0.5,     -0.5,     0,  //
    0, 1, 1,  4,  4,   0.25,    0.25,     0,  //
    0, 1, -1, 8,  -8,  0.125,   -0.125,   0,  //
    0, 1, 1,  16, 16,  0.0625,  0.0625,   0,  //
    0, 1, -1, 32, -32, 0.03125, -0.03125, 1,
};

constexpr int kLanes = 8;

/// Filters side by side.
using Filters = std::array<std::array<std::array<double, kLanes>, 3>, 3>;

}  // namespace

Matrix Winograd::input() const {
  return {size(), size(),
          outputs == 2   ? std::span<const double>(kInput2)
          : outputs == 4 ? std::span<const double>(kInput4)
                         : kInput6};
}

Matrix Winograd::filter() const {
  return {size(), 3,
          outputs == 2   ? std::span<const double>(kFilter2)
          : outputs == 4 ? std::span<const double>(kFilter4)
                         : kFilter6};
}

Matrix Winograd::output() const {
  return {outputs, size(),
          outputs == 2   ? std::span<const double>(kOutput2)
          : outputs == 4 ? std::span<const double>(kOutput4)
                         : kOutput6};
}

double Winograd::error_bound(int64_t channels) const {
  constexpr double kHalfUlp = 0x1p-24;
  const double growth = outputs == 2 ? 4 : outputs == 4 ? 32 : 64;
  return growth * kHalfUlp * std::cbrt(static_cast<double>(channels));
}

namespace {

double element(const Tensor& t, int64_t i) {
  return t.type() == ElementType::bf16 ? static_cast<double>(static_cast<const BFloat16*>(t.data())[i]) : t.as<float>()[i];
}

}  // namespace

void transform_filters(const Winograd& winograd, const gemm::PackShape& shape, int64_t out, const Tensor& from, float* to) {
  const Matrix g = winograd.filter();
  const int size = winograd.size();
  for (int64_t panel = 0; panel < shape.panels(); ++panel) {
    for (int64_t in = 0; in < shape.k; ++in) {
      for (int column = 0; column < shape.panel_columns; column += kLanes) {
        Filters filters{};
        for (int64_t lane = 0; lane < kLanes; ++lane) {
          const int64_t o = panel * shape.panel_columns + column + lane;
          if (o >= out) break;
          const int64_t filter = (o * shape.k + in) * 9;
          for (size_t tap = 0; tap < 9; ++tap)
            filters[tap / 3][tap % 3][static_cast<size_t>(lane)] = element(from, filter + static_cast<int64_t>(tap));
        }
        float* place = to + shape.offset(panel) + in * shape.panel_columns + column;
        for (int x = 0; x < size; ++x) {
          std::array<std::array<double, kLanes>, 3> rows;  // g * (row x of G), one a row of the filter
          for (size_t r = 0; r < 3; ++r) {
            for (size_t l = 0; l < kLanes; ++l)
              rows[r][l] = g.at(x, 0) * filters[r][0][l] + g.at(x, 1) * filters[r][1][l] + g.at(x, 2) * filters[r][2][l];
          }
          for (int y = 0; y < size; ++y, place += shape.elements()) {
            for (size_t l = 0; l < kLanes; ++l)
              place[l] = static_cast<float>(g.at(y, 0) * rows[0][l] + g.at(y, 1) * rows[1][l] + g.at(y, 2) * rows[2][l]);
          }
        }
      }
    }
  }
}

}  // namespace slipway::conv
