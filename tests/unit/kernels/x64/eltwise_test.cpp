#include "kernels/x64/eltwise/kernel.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "isas.hpp"

namespace slipway::eltwise {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kGuard = 777.0F;

std::vector<float> random_floats(int64_t count, uint32_t seed) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> uniform(-4, 4);
  std::vector<float> v(static_cast<size_t>(count));
  for (float& x : v) x = uniform(engine);
  return v;
}

TEST(Eltwise, EverySpreadEveryTailEveryThreadCount) {
  EltwiseProgram e;
  const uint8_t full = e.operand(Spread::full), column = e.operand(Spread::column), row = e.operand(Spread::row);
  const uint8_t scalar = e.operand(Spread::scalar), other = e.operand(Spread::full);
  uint8_t v = e.step(Fn::add, full, column);
  v = e.step(Fn::mul, row, v);
  v = e.step(Fn::sub, other, v);
  e.step(Fn::div, v, scalar);
  const auto a = random_floats(5000, 1), b = random_floats(5000, 2), c = random_floats(600, 3), r = random_floats(600, 4);
  const float s = 3.0F;
  for (const Isa isa : runnable()) {
    auto kernel = Kernel::make(isa, e);
    ASSERT_TRUE(kernel) << kernel.error().text();
    EXPECT_EQ((*kernel)->spill_count(), 0);
    for (const auto& [rows, columns] :
         {std::pair<int64_t, int64_t>{1, 1}, {1, 200}, {3, 17}, {7, 64}, {20, 5}, {2, 301}, {0, 4}, {4, 0}}) {
      for (const int threads : {1, 2, 3}) {
        Team team(threads);
        std::vector<float> out(static_cast<size_t>(rows * columns + 32), kGuard);
        KernelArgs args;
        args.rows = rows;
        args.columns = columns;
        args.out = {out.data(), columns * 4};
        args.operands[full] = {a.data(), columns * 4};
        args.operands[other] = {b.data(), 0};  // the same row again and again
        args.operands[column] = {c.data(), 0};
        args.operands[row] = {r.data(), 0};
        args.operands[scalar] = {&s, 0};
        (*kernel)->run(args, team);
        for (int64_t i = 0; i < rows; ++i) {
          for (int64_t j = 0; j < columns; ++j) {
            const auto at = static_cast<size_t>(i * columns + j), jj = static_cast<size_t>(j);
            ASSERT_EQ(out[at], (b[jj] - r[static_cast<size_t>(i)] * (a[at] + c[jj])) / s) << rows << "x" << columns;
          }
        }
        for (size_t i = static_cast<size_t>(rows * columns); i < out.size(); ++i) ASSERT_EQ(out[i], kGuard);
      }
    }
  }
}

struct FnCase {
  Fn fn;
  double (*truth)(double x, double y);
  float alpha = 0, beta = 0;
};

const FnCase kFns[] = {
    {Fn::constant, [](double, double) { return 2.5; }, 2.5F},
    {Fn::neg, [](double x, double) { return -x; }},
    {Fn::abs, [](double x, double) { return std::abs(x); }},
    {Fn::reciprocal, [](double x, double) { return 1 / x; }},
    {Fn::sqrt, [](double x, double) { return std::sqrt(x); }},
    {Fn::square, [](double x, double) { return x * x; }},
    {Fn::floor, [](double x, double) { return std::floor(x); }},
    {Fn::ceil, [](double x, double) { return std::ceil(x); }},
    {Fn::round_even, [](double x, double) { return std::nearbyint(x); }},
    {Fn::trunc, [](double x, double) { return std::trunc(x); }},
    {Fn::sign, [](double x, double) { return std::isnan(x) ? x
                                             : x > 0       ? 1.0
                                             : x < 0       ? -1.0
                                                           : 0.0; }},
    {Fn::exp, [](double x, double) { return std::exp(x); }},
    {Fn::log, [](double x, double) { return std::log(x); }},
    {Fn::tanh, [](double x, double) { return std::tanh(x); }},
    {Fn::sigmoid, [](double x, double) { return 1 / (1 + std::exp(-x)); }},
    {Fn::erf, [](double x, double) { return std::erf(x); }},
    {Fn::softplus, [](double x, double) { return std::log1p(std::exp(x)); }},
    {Fn::relu, [](double x, double) { return x < 0 ? 0 : x; }},
    {Fn::leaky_relu, [](double x, double) { return x < 0 ? 0.1 * x : x; }, 0.1F},
    {Fn::elu, [](double x, double) { return x < 0 ? 2 * std::expm1(x) : x; }, 2.0F},
    {Fn::hard_sigmoid, [](double x, double) { return std::isnan(x) ? x : std::clamp(0.2 * x + 0.4, 0.0, 1.0); }, 0.2F, 0.4F},
    {Fn::hard_swish, [](double x, double) { return x * std::clamp(x / 6 + 0.5, 0.0, 1.0); }},
    {Fn::gelu, [](double x, double) { return x / 2 * std::erfc(-x / std::sqrt(2.0)); }},
    {Fn::gelu_tanh, [](double x, double) { return x / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))); }},
    {Fn::silu, [](double x, double) { return x / (1 + std::exp(-1.5 * x)); }, 1.5F},
    {Fn::mish, [](double x, double) { return x * std::tanh(std::log1p(std::exp(x))); }},
    {Fn::clip, [](double x, double) { return x < -1  ? -1
                                             : x > 2 ? 2
                                                     : x; }, -1.0F, 2.0F},
    {Fn::affine, [](double x, double) { return 3 * x - 1; }, 3.0F, -1.0F},
    {Fn::add, [](double x, double y) { return x + y; }},
    {Fn::sub, [](double x, double y) { return x - y; }},
    {Fn::mul, [](double x, double y) { return x * y; }},
    {Fn::div, [](double x, double y) { return x / y; }},
    {Fn::min, [](double x, double y) { return std::isnan(x) || std::isnan(y) ? x + y : std::min(x, y); }},
    {Fn::max, [](double x, double y) { return std::isnan(x) || std::isnan(y) ? x + y : std::max(x, y); }},
    {Fn::prelu, [](double x, double y) { return x < 0 ? x * y : x; }},
};

TEST(Eltwise, EveryFunction) {
  auto x = random_floats(203, 1), y = random_floats(203, 2);
  x[3] = kNaN;
  y[5] = kNaN;
  x[6] = y[6] = kNaN;
  x[7] = 0.0F;
  x[8] = -0.0F;
  for (const Isa isa : runnable()) {
    for (const FnCase& c : kFns) {
      EltwiseProgram e;
      const uint8_t a = e.operand(Spread::full), b = e.operand(Spread::full);
      e.step(c.fn, a, b, c.alpha, c.beta);
      SCOPED_TRACE(e.text());
      auto kernel = Kernel::make(isa, e);
      ASSERT_TRUE(kernel) << kernel.error().text();
      EXPECT_EQ((*kernel)->spill_count(), 0);
      std::vector<float> out(x.size());
      KernelArgs args;
      args.columns = static_cast<int64_t>(x.size());
      args.out = {out.data(), 0};
      args.operands[a] = {x.data(), 0};
      args.operands[b] = {y.data(), 0};
      (**kernel)(args);
      for (size_t i = 0; i < x.size(); ++i) {
        const double truth = c.truth(x[i], y[i]);
        if (std::isnan(truth)) {
          ASSERT_TRUE(std::isnan(out[i])) << x[i] << " " << y[i] << " gives " << out[i];
        } else if (std::isinf(truth)) {
          ASSERT_TRUE(std::isinf(out[i])) << x[i];
        } else {
          ASSERT_NEAR(out[i], truth, 1e-6 * std::max(1.0, std::abs(truth))) << x[i] << " " << y[i];
        }
      }
    }
  }
}

TEST(Eltwise, InvalidProgramsAreRefused) {
  EltwiseProgram e;
  EXPECT_FALSE(e.valid());
  e.operand(Spread::full);
  e.step(Fn::add, 0, 1);
  EXPECT_FALSE(e.valid());
  EXPECT_FALSE(Kernel::make(Isa::avx2, e));
  e.steps[0].y = 0;
  EXPECT_TRUE(e.valid());
  EXPECT_FALSE(Kernel::make(Isa::portable, e));
}

}  // namespace
}  // namespace slipway::eltwise
