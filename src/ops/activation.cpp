// Activations: one operand, and for some a few attributes. Computed in double.
#include "ops/activation.hpp"

#include <algorithm>
#include <cmath>

#include "ops/elementwise.hpp"
#include "ops/onnx_node.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

using Flag = ir::OpInfo::Flag;

double sigmoid(double x) {
  if (x >= 0) return 1 / (1 + std::exp(-x));
  const double e = std::exp(x);
  return e / (1 + e);
}

double softplus(double x) {
  return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x));
}

double clamp_unit(double x) {
  return x < 0 ? 0 : x > 1 ? 1 : x;
}

Status upgrade_activation(OnnxNode& node) {
  node.drop("consumed_inputs");
  return {};
}

/// Version 1 had other defaults: its alpha and gamma have fewer digits.
Status upgrade_selu(OnnxNode& node) {
  node.drop("consumed_inputs");
  if (node.version >= 6) return {};
  node.attrs.try_emplace("alpha", 1.6732f);
  node.attrs.try_emplace("gamma", 1.0507f);
  return {};
}

template <class S, class F>
Op activation_op(std::string_view op, std::vector<int> versions, std::string_view doc, std::vector<Sample> (*samples)(), F) {
  return Op(op, std::move(versions))
      .attrs<S>()
      .in("X", kFloat)
      .out("Y")
      .flag(Flag::kElementwise)
      .tolerance(Tolerance::rounding)
      .infer(infer_same)
      .reference([](RefContext& c) { return map_floats(c, [&](double x) { return F{}(x, c.attrs<S>()); }); })
      .samples(samples)
      .upgrade(upgrade_activation)
      .doc(doc);
}

template <class S>
std::vector<Sample> float_samples() {
  return sample::of_one_input(kFloat, -6, 6, S{});
}

template <class S>
std::vector<Sample> with(Attrs other) {
  std::vector<Sample> out = float_samples<S>();
  out.push_back({"attributes", std::move(other), {{sample::random({4, 33}, -6, 6)}}, 1});
  return out;
}

Status run_relu(RefContext& c) {
  if (is_float(c.in(0).type())) return map_floats(c, [](double x) { return x < 0 ? 0.0 : x; });
  return map_integers(c, [](int64_t x) { return std::max<int64_t>(x, 0); });
}

/// Unsigned inputs are never below -lambd when lambd is not negative; all arithmetic is in double, integers truncate.
Status run_shrink(RefContext& c) {
  const double bias = c.attrs<ShrinkAttrs>().bias, lambd = c.attrs<ShrinkAttrs>().lambd;
  return map_floats(c, [&](double x) { return x < -lambd ? x + bias : x > lambd ? x - bias : std::isnan(x) ? x : 0.0; });
}

std::vector<Sample> relu_samples() {
  return sample::of_one_input(kFloat | kSigned, -6, 6);
}

std::vector<Sample> shrink_samples() {
  std::vector<Sample> out = sample::of_one_input(kNumeric, -3, 3, ShrinkAttrs{});
  out.push_back({"bias", ShrinkAttrs{.bias = 1.5f, .lambd = 1.5f}, {{sample::random({3, 17}, -3, 3)}}, 1});
  out.push_back({"bias_i32", ShrinkAttrs{.bias = 1, .lambd = 1}, {{sample::random(E::i32, {17}, -9, 9)}}, 1});
  return out;
}

}  // namespace

OpFamily activation() {
  OpFamily family;
  const auto add = [&](Op&& op) { family.push_back(std::move(op)); };
  add(Op("Relu", {1, 6, 13, 14})
          .in("X", kFloat | kSigned)
          .out("Y")
          .flag(Flag::kElementwise)
          .infer(infer_same)
          .reference(run_relu)
          .samples(relu_samples)
          .upgrade(upgrade_activation)
          .doc("max(x, 0); NaN stays."));
  add(activation_op<NoAttrs>("Sigmoid", {1, 6, 13}, "1 / (1 + exp(-x)).", float_samples<NoAttrs>,
                             [](double x, const NoAttrs&) { return sigmoid(x); }));
  add(activation_op<LeakyReluAttrs>(
          "LeakyRelu", {1, 6, 16}, "x, below zero alpha * x.",
          [] { return with<LeakyReluAttrs>(LeakyReluAttrs{.alpha = -0.3f}); },
          [](double x, const LeakyReluAttrs& a) { return x < 0 ? double{a.alpha} * x : x; })
          .tolerance(Tolerance::exact));
  add(activation_op<EluAttrs>(
      "Elu", {1, 6, 22}, "x, below zero alpha * (exp(x) - 1).", [] { return with<EluAttrs>(EluAttrs{.alpha = 2.5f}); },
      [](double x, const EluAttrs& a) { return x < 0 ? double{a.alpha} * std::expm1(x) : x; }));
  add(activation_op<SeluAttrs>(
          "Selu", {1, 6, 22}, "gamma * x, below zero gamma * alpha * (exp(x) - 1).",
          [] { return with<SeluAttrs>(SeluAttrs{.alpha = 2, .gamma = 3}); },
          [](double x, const SeluAttrs& a) { return double{a.gamma} * (x > 0 ? x : double{a.alpha} * std::expm1(x)); })
          .upgrade(upgrade_selu));
  add(activation_op<CeluAttrs>(
      "Celu", {12, 28}, "max(0, x) + min(0, alpha * (exp(x / alpha) - 1)).",
      [] { return with<CeluAttrs>(CeluAttrs{.alpha = 2}); },
      [](double x, const CeluAttrs& a) {
        const double low = double{a.alpha} * std::expm1(x / double{a.alpha});
        return std::isnan(x) ? x : std::max(x, 0.0) + std::min(low, 0.0);
      }));
  add(activation_op<ThresholdedReluAttrs>(
          "ThresholdedRelu", {1, 10, 22}, "x where x > alpha, else 0.",
          [] { return with<ThresholdedReluAttrs>(ThresholdedReluAttrs{.alpha = -0.5f}); },
          [](double x, const ThresholdedReluAttrs& a) { return x > double{a.alpha} ? x : 0.0; })
          .tolerance(Tolerance::exact));
  add(activation_op<HardSigmoidAttrs>(
      "HardSigmoid", {1, 6, 22}, "clamp(alpha * x + beta, 0, 1).",
      [] { return with<HardSigmoidAttrs>(HardSigmoidAttrs{.alpha = 0.5f, .beta = 0.6f}); },
      [](double x, const HardSigmoidAttrs& a) { return clamp_unit(double{a.alpha} * x + double{a.beta}); }));
  add(activation_op<NoAttrs>("HardSwish", {14, 22}, "x * clamp(x / 6 + 0.5, 0, 1).", float_samples<NoAttrs>,
                             [](double x, const NoAttrs&) { return x * clamp_unit(x / 6 + 0.5); }));
  add(activation_op<SwishAttrs>(
      "Swish", {24}, "x * sigmoid(alpha * x).", [] { return with<SwishAttrs>(SwishAttrs{.alpha = 1.5f}); },
      [](double x, const SwishAttrs& a) { return x * sigmoid(double{a.alpha} * x); }));
  add(activation_op<NoAttrs>("Softplus", {1, 22}, "log(1 + exp(x)).", float_samples<NoAttrs>,
                             [](double x, const NoAttrs&) { return softplus(x); }));
  add(activation_op<NoAttrs>("Softsign", {1, 22}, "x / (1 + |x|).", float_samples<NoAttrs>,
                             [](double x, const NoAttrs&) { return x / (1 + std::fabs(x)); }));
  add(activation_op<NoAttrs>("Mish", {18, 22}, "x * tanh(softplus(x)).", float_samples<NoAttrs>,
                             [](double x, const NoAttrs&) { return x * std::tanh(softplus(x)); }));
  add(Op("Shrink", {9})
          .attrs<ShrinkAttrs>()
          .in("input", kNumeric)
          .out("output")
          .flag(Flag::kElementwise)
          .infer(infer_same)
          .reference(run_shrink)
          .samples(shrink_samples)
          .doc("x + bias below -lambd, x - bias above lambd, else 0."));
  return family;
}

}  // namespace slipway::ops
