#include "kernels/x64/conv/winograd_transform.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "isas.hpp"

namespace slipway::conv {
namespace {

constexpr int kOut = 16, kBlockChannels = 16;

/// Rectified normal inputs and weights of deviation sqrt(2 / (9 * channels)), as in a trained network.
struct Problem {
  int64_t channels;
  int size;
  std::vector<float> tile;     ///< [block][row][column][16]
  std::vector<float> filters;  ///< [out][in][3][3]

  Problem(int64_t c, int tile_size) : channels(c), size(tile_size) {
    std::mt19937 engine(static_cast<uint32_t>(c));
    std::normal_distribution<float> normal;
    tile.resize(static_cast<size_t>(c * size * size));
    for (float& v : tile) v = std::max(0.0F, normal(engine));
    filters.resize(static_cast<size_t>(kOut * c * 9));
    const float deviation = std::sqrt(2.0F / static_cast<float>(9 * c));
    for (float& v : filters) v = normal(engine) * deviation;
  }
  double expected(int o, int y, int x) const {
    double sum = 0;
    for (int64_t c = 0; c < channels; ++c) {
      for (int r = 0; r < 3; ++r) {
        for (int s = 0; s < 3; ++s) {
          const int64_t pixel = (c / kBlockChannels * size + y + r) * size + x + s;
          sum += static_cast<double>(tile[static_cast<size_t>(pixel * kBlockChannels + c % kBlockChannels)]) *
                 static_cast<double>(filters[static_cast<size_t>((o * channels + c) * 9 + r * 3 + s)]);
        }
      }
    }
    return sum;
  }
};

/// One tile by Winograd: [row][column][16 outs], NaN where nothing was stored.
std::vector<float> filter_tile(Isa isa, const Winograd& w, const Problem& p, int rows, int columns,
                               const eltwise::EltwiseProgram& tail = eltwise::tail(), const float* bias = nullptr) {
  const int positions = w.positions();
  gemm::PackShape shape{p.channels, kOut, kOut};
  std::vector<float> filters(static_cast<size_t>(positions * shape.elements()));
  Tensor weights(ElementType::f32, {kOut, p.channels, 3, 3});
  std::copy(p.filters.begin(), p.filters.end(), weights.as<float>());
  transform_filters(w, shape, kOut, weights, filters.data());

  const auto input = InputTransform::make(isa, w, ElementType::f32);
  OutputTransform::Spec spec;
  spec.isa = isa;
  spec.winograd = w;
  spec.columns = columns;
  spec.tail = tail;
  const auto output = OutputTransform::make(spec);
  EXPECT_TRUE(input && output);
  std::vector<float> temporary(static_cast<size_t>(positions * kBlockChannels)),
      inputs(static_cast<size_t>(positions) * p.channels), sums(static_cast<size_t>(positions * kOut)),
      out(static_cast<size_t>(w.outputs * w.outputs * kOut), NAN);
  for (int64_t block = 0; block < p.channels / kBlockChannels; ++block) {
    InputTransform::Args args;
    args.from = reinterpret_cast<const std::byte*>(p.tile.data() + block * p.size * p.size * kBlockChannels);
    args.row_bytes = int64_t{p.size} * kBlockChannels * 4;
    args.to = inputs.data() + block * kBlockChannels;
    args.position_bytes = p.channels * 4;
    args.temporary = temporary.data();
    (**input)(args);
  }
  for (int i = 0; i < positions; ++i) {
    for (int o = 0; o < kOut; ++o) {
      float sum = 0;
      for (int64_t c = 0; c < p.channels; ++c)
        sum = std::fma(inputs[static_cast<size_t>(i * p.channels + c)],
                       filters[static_cast<size_t>((i * p.channels + c) * kOut + o)], sum);
      sums[static_cast<size_t>(i * kOut + o)] = sum;
    }
  }
  OutputTransform::Args args;
  args.from = sums.data();
  args.position_bytes = kOut * 4;
  args.to = reinterpret_cast<std::byte*>(out.data());
  args.row_bytes = int64_t{w.outputs} * kOut * 4;
  args.rows = rows;
  args.temporary = temporary.data();
  args.operands[1] = bias;
  (**output)(args);
  return out;
}

TEST(Winograd, ErrorIsWithinTheStatedBound) {
  for (const Isa isa : runnable()) {
    for (const int outputs : {2, 4, 6}) {
      const Winograd w{outputs};
      for (const int64_t channels : {16, 64, 256, 512}) {
        const Problem p(channels, w.size());
        const std::vector<float> got = filter_tile(isa, w, p, outputs, outputs);
        double error = 0, scale = 0;
        for (int i = 0; i < outputs * outputs * kOut; ++i) {
          const double want = p.expected(i % kOut, i / kOut / outputs, i / kOut % outputs);
          error = std::max(error, std::abs(static_cast<double>(got[static_cast<size_t>(i)]) - want));
          scale = std::max(scale, std::abs(want));
        }
        EXPECT_LT(error / scale, w.error_bound(channels)) << name(isa) << " F(" << outputs << "), " << channels << " channels";
        EXPECT_LT(w.error_bound(channels), 1e-4);
      }
    }
  }
}

TEST(Winograd, SameBitsOnEveryIsa) {
  for (const int outputs : {2, 4, 6}) {
    const Winograd w{outputs};
    const Problem p(48, w.size());
    std::vector<float> first;
    for (const Isa isa : runnable()) {
      const std::vector<float> got = filter_tile(isa, w, p, outputs, outputs);
      if (first.empty()) first = got;
      EXPECT_EQ(got, first) << name(isa);
    }
  }
}

TEST(Winograd, AnEdgeStoresItsPartUnderTheTail) {
  std::vector<float> bias(kOut);
  for (int i = 0; i < kOut; ++i) bias[static_cast<size_t>(i)] = static_cast<float>(i) / 8 - 1;
  eltwise::EltwiseProgram tail = eltwise::tail();
  const uint8_t b = tail.operand(eltwise::Spread::column);
  tail.step(eltwise::Fn::relu, tail.step(eltwise::Fn::add, 0, b));
  for (const Isa isa : runnable()) {
    for (const int outputs : {2, 4, 6}) {
      const Winograd w{outputs};
      const Problem p(16, w.size());
      for (int rows = 1; rows <= outputs; ++rows) {
        const int columns = outputs + 1 - rows;
        const std::vector<float> got = filter_tile(isa, w, p, rows, columns, tail, bias.data());
        for (int i = 0; i < outputs * outputs * kOut; ++i) {
          const int o = i % kOut, y = i / kOut / outputs, x = i / kOut % outputs;
          if (y >= rows || x >= columns) {
            EXPECT_TRUE(std::isnan(got[static_cast<size_t>(i)])) << name(isa) << " wrote " << y << ", " << x;
          } else {
            EXPECT_NEAR(got[static_cast<size_t>(i)], std::max(0.0, p.expected(o, y, x) + bias[static_cast<size_t>(o)]), 1e-4);
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace slipway::conv
