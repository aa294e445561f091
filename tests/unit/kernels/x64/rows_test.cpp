#include "kernels/x64/rows/rows.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <random>
#include <vector>

#include "isas.hpp"

namespace slipway::rows {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kGuard = 12345.0f;

std::vector<float> random_floats(int64_t count, uint32_t seed, float bound = 4) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> uniform(-bound, bound);
  std::vector<float> v(static_cast<size_t>(count));
  for (float& x : v) x = uniform(engine);
  return v;
}

double sigmoid(double x) {
  return 1 / (1 + std::exp(-x));
}

/// Runs `f` into a guarded buffer of n floats on every ISA: nothing beyond is written and all give the same bits.
std::vector<float> on_every_isa(int64_t n, const std::function<void(const Functions&, float*)>& f) {
  std::vector<float> first;
  for (const Isa isa : runnable()) {
    std::vector<float> out(static_cast<size_t>(n + kLanes), kGuard);
    f(functions(isa), out.data());
    for (int64_t i = n; i < n + kLanes; ++i) EXPECT_EQ(out[static_cast<size_t>(i)], kGuard) << name(isa);
    out.resize(static_cast<size_t>(n));
    if (first.empty()) first = out;
    EXPECT_EQ(0, std::memcmp(first.data(), out.data(), out.size() * sizeof(float))) << name(isa) << ", n " << n;
  }
  return first;
}

std::vector<double> softmax_of(const std::vector<float>& x, bool log) {
  double most = -std::numeric_limits<double>::infinity(), sum = 0;
  for (const float v : x) most = std::max(most, static_cast<double>(v));
  for (const float v : x) sum += std::exp(static_cast<double>(v) - most);
  std::vector<double> out;
  for (const float v : x)
    out.push_back(log ? static_cast<double>(v) - most - std::log(sum) : std::exp(static_cast<double>(v) - most) / sum);
  return out;
}

void expect_near(const std::vector<float>& got, const std::vector<double>& want, double bound) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(static_cast<double>(got[i]), want[i], bound) << i;
}

TEST(Rows, SoftmaxOfAnyLength) {
  if (runnable().empty()) GTEST_SKIP();
  for (const int64_t n : {1, 7, 8, 9, 15, 16, 17, 31, 33, 197}) {
    const std::vector<float> x = random_floats(n, 1, 20);
    expect_near(on_every_isa(n, [&](const Functions& f, float* y) { f.softmax(x.data(), y, n); }), softmax_of(x, false), 2e-7);
    expect_near(on_every_isa(n, [&](const Functions& f, float* y) { f.log_softmax(x.data(), y, n); }), softmax_of(x, true), 5e-6);
  }
}

TEST(Rows, ColumnsAreRowsTurned) {
  if (runnable().empty()) GTEST_SKIP();
  constexpr int64_t n = 21;
  for (const int64_t count : {1, 5, 16}) {
    const std::vector<float> x = random_floats(n * count, 2);
    for (const bool log : {false, true}) {
      const std::vector<float> y = on_every_isa(n * count, [&](const Functions& f, float* out) {
        (log ? f.log_softmax_columns : f.softmax_columns)(x.data(), out, n, count, count);
      });
      for (int64_t c = 0; c < count; ++c) {
        std::vector<float> line, got;
        for (int64_t i = 0; i < n; ++i) {
          line.push_back(x[static_cast<size_t>(i * count + c)]);
          got.push_back(y[static_cast<size_t>(i * count + c)]);
        }
        expect_near(got, softmax_of(line, log), 2e-6);
      }
    }
  }
}

TEST(Rows, MasksForbid) {
  if (runnable().empty()) GTEST_SKIP();
  for (const int64_t n : {5, 16, 37}) {
    const std::vector<float> x = random_floats(n, 3), added = random_floats(n, 4);
    std::vector<uint8_t> allows(static_cast<size_t>(n), 1);
    for (size_t i = 0; i < allows.size(); i += 3) allows[i] = 0;
    MaskedRow row;
    row.scale = 0.25f;
    row.added = added.data();
    row.allows = allows.data();
    row.visible = n - 1;
    const auto run = [&](const Functions& f, float* y) {
      std::memcpy(y, x.data(), x.size() * sizeof(float));
      f.masked_softmax(y, n, row);
    };
    std::vector<float> scores;
    for (size_t i = 0; i < x.size(); ++i) {
      const bool seen = allows[i] != 0 && static_cast<int64_t>(i) < row.visible;
      scores.push_back(seen ? x[i] * row.scale + added[i] : -kInfinity);
    }
    expect_near(on_every_isa(n, run), softmax_of(scores, false), 2e-7);

    std::fill(allows.begin(), allows.end(), uint8_t{0});
    expect_near(on_every_isa(n, run), std::vector<double>(static_cast<size_t>(n), 0.0), 0);
  }
}

TEST(Rows, NanStaysVisible) {
  if (runnable().empty()) GTEST_SKIP();
  std::vector<float> x = random_floats(19, 5);
  x[17] = std::numeric_limits<float>::quiet_NaN();
  for (const float v : on_every_isa(19, [&](const Functions&f, float*y) { f.softmax(x.data(), y, 19); }))
    EXPECT_TRUE(std::isnan(v));
}

TEST(Rows, MomentsKeepSmallVarianceBesideALargeMean) {
  if (runnable().empty()) GTEST_SKIP();
  for (const int64_t n : {1, 15, 48, 384, 1023}) {
    std::vector<float> x = random_floats(n, 6, 1);
    for (float& v : x) v += 1000;
    const std::vector<float> scale = random_floats(n, 7), bias = random_floats(n, 8);
    double mean = 0, squares = 0;
    for (const float v : x) mean += static_cast<double>(v) / static_cast<double>(n);
    for (const float v : x) squares += (static_cast<double>(v) - mean) * (static_cast<double>(v) - mean) / static_cast<double>(n);
    std::vector<double> want;
    for (size_t i = 0; i < x.size(); ++i) {
      want.push_back((static_cast<double>(x[i]) - mean) / std::sqrt(squares + 1e-3) * static_cast<double>(scale[i]) +
                     static_cast<double>(bias[i]));
    }
    const auto got = on_every_isa(n, [&](const Functions& f, float* y) {
      float m = 0, inverse = 0;
      f.moments(x.data(), n, 1e-3f, &m, &inverse);
      f.normalise(x.data(), y, n, m, inverse, scale.data(), bias.data());
    });
    expect_near(got, want, 2e-3);  // the mean of numbers near 1000 is good to their last place, 6e-5
  }
}

TEST(Rows, CellsOfAllGateSums) {
  if (runnable().empty()) GTEST_SKIP();
  for (const int64_t n : {3, 16, 41}) {
    std::vector<float> gates = random_floats(4 * n, 9, 8);
    gates[0] = 200;  // saturated
    gates[1] = -200;
    const std::vector<float> before = random_floats(n, 10, 1);
    std::vector<double> want_h, want_c;
    for (int64_t k = 0; k < n; ++k) {
      const auto gate = [&](int64_t g) { return static_cast<double>(gates[static_cast<size_t>(g * n + k)]); };
      want_c.push_back(sigmoid(gate(2)) * static_cast<double>(before[static_cast<size_t>(k)]) +
                       sigmoid(gate(0)) * std::tanh(gate(3)));
      want_h.push_back(sigmoid(gate(1)) * std::tanh(want_c.back()));
    }
    const auto run = [&](bool give_c) {
      return on_every_isa(n, [&](const Functions& f, float* out) {
        std::vector<float> c = before, h(static_cast<size_t>(n));
        f.lstm_cell(gates.data(), c.data(), h.data(), n);
        std::memcpy(out, (give_c ? c : h).data(), c.size() * sizeof(float));
      });
    };
    expect_near(run(true), want_c, 5e-7);
    expect_near(run(false), want_h, 5e-7);
  }
}

TEST(Rows, BlocksAndTotals) {
  if (runnable().empty()) GTEST_SKIP();
  for (const int64_t n : {1, 3, 4, 9, 31, 33, 64}) {
    const std::vector<float> x = random_floats(n, 11), w = random_floats(n * kLanes, 12), bias = random_floats(kLanes, 13);
    double total = 0;
    for (const float v : x) total += static_cast<double>(v);
    expect_near(on_every_isa(1, [&](const Functions& f, float* y) { *y = f.total(x.data(), n); }), {total}, 2e-5);

    std::vector<double> sums(kLanes, 0), product(bias.begin(), bias.end()), scaled;
    for (int64_t i = 0; i < n * kLanes; ++i) {
      const auto lane = static_cast<size_t>(i % kLanes);
      const auto v = static_cast<double>(w[static_cast<size_t>(i)]);
      sums[lane] += v;
      product[lane] += v * static_cast<double>(x[static_cast<size_t>(i / kLanes)]);
      scaled.push_back(v * static_cast<double>(bias[lane]));
    }
    expect_near(on_every_isa(kLanes, [&](const Functions& f, float* y) { f.block_total(w.data(), y, n); }), sums, 5e-5);
    expect_near(
        on_every_isa(kLanes, [&](const Functions& f, float* y) { f.block_product(w.data(), x.data(), bias.data(), y, n); }),
        product, 1e-4);
    expect_near(on_every_isa(n * kLanes, [&](const Functions& f, float* y) { f.block_scale(w.data(), bias.data(), y, n); }),
                scaled, 2e-6);
  }
}

}  // namespace
}  // namespace slipway::rows
