// One row of depthwise windows and pools of every length: rows of different lengths share code.
#include "kernels/x64/window/row_kernel.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "isas.hpp"

namespace slipway::window {
namespace {

float input(int64_t pixel, int64_t lane) {
  return static_cast<float>((pixel * 7 + lane * 3) % 23 - 11);
}

/// Whole numbers, so that sums are exact.
float expected(const RowSpec& spec, int64_t o, int64_t lane) {
  const ops::WindowAxis& a = spec.columns;
  float sum = spec.reduce == Reduce::max ? -INFINITY : 0.0f;
  for (int64_t k = 0; k < a.kernel; ++k) {
    const int64_t at = o * a.stride + k * a.dilation - a.pad_begin;
    if (at < 0 || at >= a.in) continue;
    for (int64_t row = 0; row < 2; ++row) {
      const float x = input(row * a.in + at, lane);
      sum = spec.reduce == Reduce::max ? std::max(sum, x) : sum + x * static_cast<float>(row * a.kernel + k + 1);
    }
  }
  return sum;
}

/// Every kernel stays in `living`, as those of one model do.
void check(const RowSpec& spec, std::vector<RowKernel>& living) {
  const ops::WindowAxis& a = spec.columns;
  ops::WindowAxis rows;
  if (!RowKernel::fits(rows, a)) return;
  auto kernel = RowKernel::make(spec);
  ASSERT_TRUE(kernel) << kernel.error().text();
  living.push_back(*kernel);
  std::vector<float> in(static_cast<size_t>(2 * a.in * kBlock)), weights(static_cast<size_t>(2 * a.kernel * kBlock));
  std::vector<float> out(static_cast<size_t>((a.out + 1) * kBlock), -1.0f);
  for (size_t i = 0; i < in.size(); ++i) in[i] = input(static_cast<int64_t>(i) / kBlock, static_cast<int64_t>(i) % kBlock);
  for (size_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<float>(i / kBlock + 1);
  RowArgs args;
  args.in = in.data();
  args.tap_rows = 2;
  args.weights = weights.data();
  args.out = out.data();
  (*kernel)(args);
  for (int64_t o = 0; o < a.out; ++o) {
    for (int64_t lane = 0; lane < kBlock; ++lane) {
      ASSERT_EQ(out[static_cast<size_t>(o * kBlock + lane)], expected(spec, o, lane))
          << "output " << o << " of " << a.out << ", lane " << lane;
    }
  }
  EXPECT_EQ(out[static_cast<size_t>(a.out * kBlock)], -1.0f) << "wrote past the row";
}

void check_lengths(RowSpec spec) {
  ops::WindowAxis& a = spec.columns;
  std::vector<RowKernel> living;
  for (a.in = a.kernel; a.in <= 90; ++a.in) {
    a.out = (a.in + 2 * a.pad_begin - a.kernel) / a.stride + 1;
    spec.tap_row_bytes = a.in * kBlock * 4;
    SCOPED_TRACE(testing::Message() << "kernel " << a.kernel << " stride " << a.stride << " pad " << a.pad_begin << " in "
                                    << a.in);
    check(spec, living);
    if (testing::Test::HasFatalFailure()) return;
  }
}

TEST(RowKernel, EveryLength) {
  for (const Isa isa : runnable()) {
    for (const Reduce reduce : {Reduce::convolve, Reduce::max}) {
      for (const int64_t kernel : {1, 3, 5}) {
        for (const int64_t stride : {1, 2}) {
          for (const int64_t pad : {int64_t{0}, kernel / 2}) {
            RowSpec spec;
            spec.isa = isa;
            spec.reduce = reduce;
            spec.columns = {kernel, stride, 1, pad, pad, 0, 0};
            check_lengths(spec);
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace slipway::window
