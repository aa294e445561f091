// Gelu: x * P(X <= x) of the normal distribution, by erf or in its tanh form; and com.microsoft's relatives.
#include "ops/gelu.hpp"

#include <cmath>
#include <numbers>

#include "ops/elementwise.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

using Flag = ir::OpInfo::Flag;

double gelu_erf(double x) {
  return 0.5 * x * (1 + std::erf(x / std::numbers::sqrt2));
}

double gelu_tanh(double x) {
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
}

Status infer_gelu(InferContext& c) {
  const std::string& form = c.attrs<GeluAttrs>().approximate;
  if (form != "none" && form != "tanh") {
    return fail(ErrorCode::invalid_model, "attribute approximate must be 'none' or 'tanh', here it is '{}'", form);
  }
  return infer_same(c);
}

Status run_gelu(RefContext& c) {
  return map_floats(c, c.attrs<GeluAttrs>().approximate == "tanh" ? gelu_tanh : gelu_erf);
}

Status run_plain_gelu(RefContext& c) {
  return map_floats(c, gelu_erf);
}

Status run_quick_gelu(RefContext& c) {
  const double alpha = c.attrs<QuickGeluAttrs>().alpha;
  return map_floats(c, [&](double x) { return x / (1 + std::exp(-alpha * x)); });
}

/// Input 1, the bias of BiasGelu and FastGelu, is one row of the last axis.
Status infer_biased(InferContext& c) {
  const Shape *x = c.shape(0), *bias = c.shape(1);
  if (bias != nullptr && bias->size() != 1) return Error(ErrorCode::invalid_model, "the bias must have one axis");
  if (x != nullptr && bias != nullptr &&
      (x->empty() || (x->back().known() && bias->front().known() && !x->back().same(bias->front())))) {
    return Error(ErrorCode::invalid_model, "the bias must have the extent of the input's last axis");
  }
  return infer_same(c);
}

template <double (*F)(double)>
Status run_biased(RefContext& c) {
  std::vector<double> x = c.doubles(0);
  const std::vector<double> bias = c.has(1) ? c.doubles(1) : std::vector<double>{0};
  if (bias.empty() ? !x.empty() : x.size() % bias.size() != 0) {
    return Error(ErrorCode::invalid_argument, "the bias must have the extent of the input's last axis");
  }
  for (size_t i = 0; i < x.size(); ++i) x[i] = F(x[i] + bias[i % bias.size()]);
  c.set_doubles(0, c.in(0).type(), c.in(0).dims(), x);
  return {};
}

std::vector<Sample> gelu_samples() {
  std::vector<Sample> out = sample::of_one_input(kFloat, -5, 5, GeluAttrs{});
  for (Sample& s : sample::of_one_input(kFloat, -5, 5, GeluAttrs{.approximate = "tanh"})) {
    s.label = "tanh_" + s.label;
    out.push_back(std::move(s));
  }
  return out;
}

std::vector<Sample> plain_samples() {
  return sample::of_one_input(kFloat, -5, 5);
}
std::vector<Sample> quick_samples() {
  return sample::of_one_input(kFloat, -5, 5, QuickGeluAttrs{});
}

std::vector<Sample> biased_samples() {
  std::vector<Sample> out;
  for (ElementType t : {E::f32, E::f16, E::bf16, E::f64}) {
    out.push_back(
        {std::string(name(t)), {}, {{sample::random(t, {3, 17}, -4, 4)}, {sample::random(t, {17}, -1, 1, 2), true}}, 1});
  }
  out.push_back({"batch", {}, {{sample::random({2, 5, 33}, -4, 4)}, {sample::random({33}, -1, 1, 2)}}, 1});
  return out;
}

Op microsoft(std::string_view op) {
  return Op(op, {1}, "com.microsoft");
}

}  // namespace

OpFamily gelu() {
  OpFamily family;
  const auto add = [&](Op&& op) { family.push_back(std::move(op).tolerance(Tolerance::rounding).flag(Flag::kElementwise)); };
  add(Op("Gelu", {20})
          .attrs<GeluAttrs>()
          .in("X", kFloat)
          .out("Y")
          .infer(infer_gelu)
          .reference(run_gelu)
          .samples(gelu_samples)
          .doc("x * P(X <= x) for normal X: 0.5 * x * (1 + erf(x / sqrt(2))), or its tanh form."));
  add(microsoft("Gelu")
          .in("X", kFloat)
          .out("Y")
          .infer(infer_same)
          .reference(run_plain_gelu)
          .samples(plain_samples)
          .doc("Gelu by erf."));
  add(microsoft("QuickGelu")
          .attrs<QuickGeluAttrs>()
          .in("X", kFloat)
          .out("Y")
          .infer(infer_same)
          .reference(run_quick_gelu)
          .samples(quick_samples)
          .doc("x * sigmoid(alpha * x)."));
  add(microsoft("FastGelu")
          .in("X", kFloat)
          .opt("bias", kFloat)
          .out("Y")
          .infer(infer_biased)
          .reference(run_biased<gelu_tanh>)
          .samples(biased_samples)
          .doc("Gelu in its tanh form of x + bias."));
  add(microsoft("BiasGelu")
          .in("A", kFloat)
          .in("B", kFloat)
          .out("C")
          .infer(infer_biased)
          .reference(run_biased<gelu_erf>)
          .samples(biased_samples)
          .doc("Gelu by erf of A + B."));
  return family;
}

}  // namespace slipway::ops
