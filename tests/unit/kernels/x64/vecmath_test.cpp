#include "kernels/x64/jit/vecmath.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "isas.hpp"
#include "kernels/x64/jit/code.hpp"

namespace slipway::jit {
namespace {

struct LoopArgs {
  const float* in;
  float* out;
  int64_t vectors;
};

using Emit = std::function<Vec(Program&, Vec)>;

Code map_function(Isa isa, const Emit& emit) {
  Program p(isa, "map");
  const Gpr in = p.load64(mem(p.args(), 0)), out = p.load64(mem(p.args(), 8)), left = p.load64(mem(p.args(), 16));
  const Label top = p.label();
  p.bind(top);
  p.store(mem(out), emit(p, p.load(mem(in))));
  p.add(in, p.lanes() * 4);
  p.add(out, p.lanes() * 4);
  p.sub(left, 1);
  p.jump_if(left, Cond::gt, 0, top);
  auto code = compile(p);
  EXPECT_TRUE(code) << code.error().text();
  EXPECT_EQ(code->spill_count(), 0);
  return std::move(*code);
}

std::vector<float> apply(const Code& code, int lanes, const std::vector<float>& in) {
  std::vector<float> out(in.size());
  const LoopArgs args{in.data(), out.data(), static_cast<int64_t>(in.size()) / lanes};
  code(&args);
  return out;
}

/// Every `stride`-th bit pattern, which covers all exponents of both signs, denormals, infinities and NaNs, and edges.
std::vector<float> samples(uint32_t stride) {
  std::vector<float> v = {0.0F, -0.0F,     1e-45F,    -1e-45F,         INFINITY,        -INFINITY,
                          NAN,  88.72283F, 88.72284F, -87.33654F,      -103.97F,        -103.98F,
                          1.0F, -1.0F,     0.5F,      3.402823466e38F, -3.402823466e38F};
  for (uint64_t bits = 0; bits < (uint64_t{1} << 32); bits += stride)
    v.push_back(std::bit_cast<float>(static_cast<uint32_t>(bits)));
  v.resize((v.size() + 15) / 16 * 16, 1.0F);
  return v;
}

double ulp_of(double truth) {
  const float rounded = std::abs(static_cast<float>(truth));
  if (std::isinf(rounded)) return std::ldexp(1.0, 104);
  int exponent = 0;
  std::frexp(std::max(static_cast<double>(rounded), 1.1754943508222875e-38), &exponent);
  return std::ldexp(1.0, exponent - 24);
}

struct Case {
  const char* name;
  Emit emit;
  double (*truth)(double);
  double max_ulp;
  double max_abs_of_x;   ///< when set, the bound is this times |x| in place of ULPs
  double floor = 2e-45;  ///< absolute error that is always allowed
};

double sigmoid(double x) {
  return 1 / (1 + std::exp(-x));
}
double softplus(double x) {
  return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x)));
}
double gelu(double x) {
  return x / 2 * std::erfc(-x / std::sqrt(2.0));
}
double gelu_tanh(double x) {
  return x / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}
double silu(double x) {
  return x * sigmoid(x);
}
double hard_swish(double x) {
  return x * std::clamp(x / 6 + 0.5, 0.0, 1.0);
}
double mish(double x) {
  return x * std::tanh(softplus(x));
}
double elu(double x) {
  return x < 0 ? std::expm1(x) : x;
}

const Case kCases[] = {
    {"exp", emit_exp, std::exp, 1.0, 0},
    {"log", emit_log, std::log, 1.5, 0},
    {"tanh", emit_tanh, std::tanh, 3.0, 0},
    {"sigmoid", emit_sigmoid, sigmoid, 2.5, 0},
    {"erf", emit_erf, std::erf, 6.0, 0},
    {"softplus", emit_softplus, softplus, 3.0, 0},
    {"gelu", emit_gelu, gelu, 0, 2.5e-7},
    {"gelu_tanh", emit_gelu_tanh, gelu_tanh, 0, 2.5e-7},
    {"silu", [](Program& p, Vec x) { return emit_silu(p, x); }, silu, 3.5, 0, 1e-43},
    {"hard_swish", emit_hard_swish, hard_swish, 0, 2e-7},
    {"mish", emit_mish, mish, 5.0, 0, 1e-43},
    {"elu", [](Program& p, Vec x) { return emit_elu(p, x, 1.0F); }, elu, 2.5, 0},
};

class Vecmath : public testing::TestWithParam<Case> {};

TEST_P(Vecmath, KeepsItsBoundAndBitsOverIsas) {
  const Case& c = GetParam();
  const std::vector<float> in = samples(1009);
  std::vector<float> first;
  for (const Isa isa : runnable()) {
    const Code code = map_function(isa, c.emit);
    const std::vector<float> out = apply(code, isa == Isa::avx2 ? 8 : 16, in);
    double worst = 0;
    float worst_at = 0;
    for (size_t i = 0; i < in.size(); ++i) {
      const double x = in[i];
      const double truth = c.truth(x);
      if (std::isnan(truth)) {
        ASSERT_TRUE(std::isnan(out[i])) << c.name << "(" << in[i] << ") = " << out[i];
        continue;
      }
      if (std::isinf(static_cast<float>(truth)) && std::isinf(out[i])) {
        ASSERT_EQ(std::signbit(out[i]), std::signbit(truth)) << c.name << "(" << in[i] << ")";
        continue;
      }
      if (std::isinf(x)) continue;  // x * 0 at infinity differs by form; finite limits are checked by the largest floats
      const double unit = std::max(c.max_ulp > 0 ? ulp_of(truth) * c.max_ulp : c.max_abs_of_x * std::abs(x), c.floor);
      const double error = std::abs(out[i] - truth) / unit;
      if (!(error <= worst)) {
        worst = error;
        worst_at = in[i];
      }
    }
    RecordProperty("share_of_bound_" + std::string(name(isa)), std::to_string(worst));
    EXPECT_LE(worst, 1.0) << c.name << " at " << worst_at << " on " << name(isa) << " (share of the bound)";
    if (first.empty()) {
      first = out;
    } else {
      for (size_t i = 0; i < in.size(); ++i) {
        if (std::isnan(first[i]) && std::isnan(out[i])) continue;
        ASSERT_EQ(std::bit_cast<uint32_t>(first[i]), std::bit_cast<uint32_t>(out[i])) << c.name << "(" << in[i] << ")";
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, Vecmath, testing::ValuesIn(kCases), [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace slipway::jit
