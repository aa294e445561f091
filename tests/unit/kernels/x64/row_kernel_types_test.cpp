// Rows of windows in each element type, their code alive together.
#include "kernels/x64/window/row_kernel.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/low_precision.hpp"
#include "isas.hpp"

namespace slipway::window {
namespace {

constexpr int64_t kPixels = 21;

RowSpec spec_of(Isa isa, ElementType type) {
  RowSpec spec;
  spec.isa = isa;
  spec.reduce = Reduce::max;
  spec.columns.in = spec.columns.out = kPixels;
  spec.columns.kernel = 3;
  spec.columns.stride = spec.columns.dilation = 1;
  spec.columns.pad_begin = spec.columns.pad_end = 1;
  spec.tap_row_bytes = kPixels * kBlock * (type == ElementType::bf16 ? 2 : 4);
  spec.type = type;
  return spec;
}

template <class Element>
void expect_maxima(const RowKernel& kernel) {
  std::vector<Element> in, out(kPixels * kBlock);
  for (int64_t i = 0; i < kPixels * kBlock; ++i) in.push_back(Element(static_cast<double>(i * 7 % 31)));
  RowArgs args;
  args.in = in.data();
  args.out = out.data();
  kernel(args);
  for (int64_t i = 0; i < kPixels * kBlock; ++i) {
    double most = static_cast<double>(in[static_cast<size_t>(i)]);
    if (i >= kBlock) most = std::max(most, static_cast<double>(in[static_cast<size_t>(i - kBlock)]));
    if (i + kBlock < kPixels * kBlock) most = std::max(most, static_cast<double>(in[static_cast<size_t>(i + kBlock)]));
    ASSERT_EQ(static_cast<double>(out[static_cast<size_t>(i)]), most) << i;
  }
}

TEST(RowKernelTypes, DoNotShareTheirCode) {
  for (const Isa isa : runnable({Isa::avx2, Isa::avx512, Isa::avx512_bf16})) {
    const auto wide = RowKernel::make(spec_of(isa, ElementType::f32)), narrow = RowKernel::make(spec_of(isa, ElementType::bf16));
    ASSERT_TRUE(wide && narrow);
    expect_maxima<float>(*wide);
    expect_maxima<BFloat16>(*narrow);
  }
}

}  // namespace
}  // namespace slipway::window
