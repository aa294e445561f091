// Gelu: x * P(X <= x) of the normal distribution, by erf or in its tanh form; and com.microsoft's relatives.
#include "ops/gelu.hpp"

#include <cmath>
#include <numbers>

#include "ops/activation.hpp"
#include "ops/elementwise.hpp"
#include "ops/function.hpp"
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

void plain_body(FunctionBody& b) {
  b.set(0, b.node("Gelu", GeluAttrs{}, {b.in(0)}));
}

void quick_body(FunctionBody& b) {
  b.set(0, b.node("Swish", SwishAttrs{.alpha = b.attrs<QuickGeluAttrs>().alpha}, {b.in(0)}));
}

/// Gelu of the sum with the bias, one row of the last axis.
void biased_body(FunctionBody& b, const GeluAttrs& form) {
  const ir::ValueId sum = b.has(1) ? b.node("Add", {b.in(0), b.in(1)}) : b.in(0);
  b.set(0, b.node("Gelu", form, {sum}));
}
void fast_body(FunctionBody& b) {
  return biased_body(b, {.approximate = "tanh"});
}
void bias_body(FunctionBody& b) {
  return biased_body(b, {});
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
  add(function<plain_body>(microsoft("Gelu").in("X", kFloat).out("Y")).samples(plain_samples).doc("Gelu by erf."));
  add(function<quick_body, QuickGeluAttrs>(microsoft("QuickGelu").in("X", kFloat).out("Y"))
          .samples(quick_samples)
          .doc("x * sigmoid(alpha * x)."));
  add(function<fast_body>(microsoft("FastGelu").in("X", kFloat).opt("bias", kFloat).out("Y"))
          .samples(biased_samples)
          .doc("Gelu in its tanh form of x + bias."));
  add(function<bias_body>(microsoft("BiasGelu").in("A", kFloat).in("B", kFloat).out("C"))
          .samples(biased_samples)
          .doc("Gelu by erf of A + B."));
  return family;
}

}  // namespace slipway::ops
