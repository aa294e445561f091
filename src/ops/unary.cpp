// One-operand operators without parameters: arithmetic, transcendental, rounding, tests of a number. Computed in double.
#include "ops/unary.hpp"

#include <cmath>

#include "ops/elementwise.hpp"
#include "ops/onnx_node.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

using Flag = ir::OpInfo::Flag;

Status drop_consumed_inputs(OnnxNode& node) {
  node.drop("consumed_inputs");
  return {};
}

template <int Low, int High>
std::vector<Sample> float_samples() {
  return sample::of_one_input(kFloat, Low, High);
}
template <TypeSet Types>
std::vector<Sample> samples_of() {
  return sample::of_one_input(Types, -100, 100);
}

enum class Ports { x_y, input_output };

/// F and I below: stateless function objects, made anew where they are called.
template <TypeSet Types = kFloat, class F>
Op float_op(std::string_view op, std::vector<int> versions, Ports ports, std::string_view doc, std::vector<Sample> (*samples)(),
            F) {
  const bool xy = ports == Ports::x_y;
  return Op(op, std::move(versions))
      .in(xy ? "X" : "input", Types)
      .out(xy ? "Y" : "output")
      .flag(Flag::kElementwise)
      .tolerance(Tolerance::rounding)
      .infer(infer_same)
      .reference([](RefContext& c) { return map_floats(c, F{}); })
      .samples(samples)
      .upgrade(drop_consumed_inputs)
      .doc(doc);
}

template <TypeSet Types, class F, class I>
Op number_op(std::string_view op, std::vector<int> versions, Ports ports, std::string_view doc, F, I) {
  const bool xy = ports == Ports::x_y;
  return Op(op, std::move(versions))
      .in(xy ? "X" : "input", Types)
      .out(xy ? "Y" : "output")
      .flag(Flag::kElementwise)
      .infer(infer_same)
      .reference([](RefContext& c) {
        if (is_float(c.in(0).type())) return map_floats(c, F{});
        const bool has_sign = is_signed_integer(c.in(0).type());
        return map_integers(c, [&](int64_t x) { return I{}(x, has_sign); });
      })
      .samples(samples_of<Types>)
      .upgrade(drop_consumed_inputs)
      .doc(doc);
}

template <class F>
Status test_each(RefContext& c, F&& f) {
  const std::vector<double> x = c.doubles(0);
  Tensor y = c.out(0, ElementType::boolean, c.in(0).dims());
  for (size_t i = 0; i < x.size(); ++i) y.as<uint8_t>()[i] = f(x[i]) ? 1 : 0;
  return {};
}

Status run_is_nan(RefContext& c) {
  return test_each(c, [](double x) { return std::isnan(x); });
}

Status run_is_inf(RefContext& c) {
  const IsInfAttrs attrs = c.attrs<IsInfAttrs>();
  return test_each(c, [&](double x) { return std::isinf(x) && (x < 0 ? attrs.detect_negative : attrs.detect_positive); });
}

Status run_not(RefContext& c) {
  return map_integers(c, [](int64_t x) { return int64_t{x == 0}; });
}

constexpr TypeSet kTestable = kFloat | types(E::f8e4m3fn, E::f8e4m3fnuz, E::f8e5m2, E::f8e5m2fnuz);

std::vector<Sample> float_tests() {
  std::vector<Sample> out = sample::of_one_input(kFloat, -2, 2);
  const double inf = std::numeric_limits<double>::infinity();
  for (ElementType t : {E::f16, E::bf16, E::f64, E::f8e4m3fn, E::f8e5m2}) {
    out.push_back({"special_" + std::string(name(t)), {}, {{sample::numbers(t, {5}, {0, inf, -inf, std::nan(""), -1})}}, 1});
  }
  return out;
}

std::vector<Sample> is_inf_samples() {
  std::vector<Sample> out = float_tests();
  for (Sample& s : out) s.attrs = IsInfAttrs{};
  const double inf = std::numeric_limits<double>::infinity();
  out.push_back({"positive_only", IsInfAttrs{.detect_negative = false}, {{sample::floats({3}, {inf, -inf, 1})}}, 1});
  out.push_back({"negative_only", IsInfAttrs{.detect_positive = false}, {{sample::floats({3}, {inf, -inf, 1})}}, 1});
  return out;
}

int64_t wrapping_negative(int64_t x) {
  return static_cast<int64_t>(0 - static_cast<uint64_t>(x));
}

template <class F>
Op exact_float_op(std::string_view op, std::vector<int> versions, Ports ports, std::string_view doc, F f) {
  return float_op(op, std::move(versions), ports, doc, float_samples<-9, 9>, f).tolerance(Tolerance::exact);
}

}  // namespace

OpFamily unary() {
  constexpr Ports xy = Ports::x_y, io = Ports::input_output;
  OpFamily family;
  const auto add = [&](Op&& op) { family.push_back(std::move(op)); };
  add(number_op<kNumeric>(
      "Abs", {1, 6, 13}, xy, "Absolute value.", [](double x) { return std::fabs(x); },
      [](int64_t x, bool has_sign) { return has_sign && x < 0 ? wrapping_negative(x) : x; }));
  add(number_op<kFloat | kSigned>(
      "Neg", {1, 6, 13}, xy, "The negative.", [](double x) { return -x; }, [](int64_t x, bool) { return wrapping_negative(x); }));
  add(number_op<kNumeric>(
      "Sign", {9, 13}, io, "-1, 0 or 1; NaN stays.", [](double x) { return x > 0    ? 1
                                                                           : x < 0  ? -1
                                                                           : x == 0 ? 0
                                                                                    : x; },
      [](int64_t x, bool has_sign) { return has_sign && x < 0 ? int64_t{-1} : int64_t{x != 0}; }));
  add(number_op<kInteger>(
      "BitwiseNot", {18}, xy, "Every bit inverted.", [](double x) { return x; }, [](int64_t x, bool) { return ~x; }));
  add(exact_float_op("Ceil", {1, 6, 13}, xy, "Rounded up.", [](double x) { return std::ceil(x); }));
  add(exact_float_op("Floor", {1, 6, 13}, xy, "Rounded down.", [](double x) { return std::floor(x); }));
  add(exact_float_op("Round", {11, 22}, xy, "Rounded to nearest, halves to even.", [](double x) { return std::nearbyint(x); }));
  add(exact_float_op("Reciprocal", {1, 6, 13}, xy, "1 / x.", [](double x) { return 1 / x; }));
  add(exact_float_op("Sqrt", {1, 6, 13}, xy, "Square root.", [](double x) { return std::sqrt(x); }));
  add(float_op("Exp", {1, 6, 13}, io, "e to the x.", float_samples<-10, 10>, [](double x) { return std::exp(x); }));
  add(float_op("Log", {1, 6, 13}, io, "Natural logarithm.", float_samples<0, 100>, [](double x) { return std::log(x); }));
  add(float_op<kNumeric>("Erf", {9, 13}, io, "Error function; integers (version 9 only) truncate.", float_samples<-4, 4>,
                         [](double x) { return std::erf(x); }));
  add(float_op("Sin", {7, 22}, io, "Sine.", float_samples<-10, 10>, [](double x) { return std::sin(x); }));
  add(float_op("Cos", {7, 22}, io, "Cosine.", float_samples<-10, 10>, [](double x) { return std::cos(x); }));
  add(float_op("Tan", {7, 22}, io, "Tangent.", float_samples<-1, 1>, [](double x) { return std::tan(x); }));
  add(float_op("Asin", {7, 22}, io, "Arc sine.", float_samples<-1, 1>, [](double x) { return std::asin(x); }));
  add(float_op("Acos", {7, 22}, io, "Arc cosine.", float_samples<-1, 1>, [](double x) { return std::acos(x); }));
  add(float_op("Atan", {7, 22}, io, "Arc tangent.", float_samples<-5, 5>, [](double x) { return std::atan(x); }));
  add(float_op("Sinh", {9, 22}, io, "Hyperbolic sine.", float_samples<-5, 5>, [](double x) { return std::sinh(x); }));
  add(float_op("Cosh", {9, 22}, io, "Hyperbolic cosine.", float_samples<-5, 5>, [](double x) { return std::cosh(x); }));
  add(float_op("Tanh", {1, 6, 13}, io, "Hyperbolic tangent.", float_samples<-5, 5>, [](double x) { return std::tanh(x); }));
  add(float_op("Asinh", {9, 22}, io, "Inverse hyperbolic sine.", float_samples<-5, 5>, [](double x) { return std::asinh(x); }));
  add(float_op("Acosh", {9, 22}, io, "Inverse hyperbolic cosine.", float_samples<1, 9>, [](double x) { return std::acosh(x); }));
  add(float_op("Atanh", {9, 22}, io, "Inverse hyperbolic tangent.", float_samples<-1, 1>,
               [](double x) { return std::atanh(x); }));
  add(Op("Not", {1})
          .in("X", kBool)
          .out("Y")
          .flag(Flag::kElementwise)
          .infer(infer_same)
          .reference(run_not)
          .samples(samples_of<kBool>)
          .doc("Logical not."));
  add(Op("IsNaN", {9, 13, 20})
          .in("X", kTestable)
          .out("Y", kBool, 0)
          .flag(Flag::kElementwise)
          .infer(infer_same_bool)
          .reference(run_is_nan)
          .samples(float_tests)
          .doc("True where x is NaN."));
  add(Op("IsInf", {10, 20})
          .attrs<IsInfAttrs>()
          .in("X", kTestable)
          .out("Y", kBool, 0)
          .flag(Flag::kElementwise)
          .infer(infer_same_bool)
          .reference(run_is_inf)
          .samples(is_inf_samples)
          .doc("True where x is infinite, of the signs asked for."));
  return family;
}

}  // namespace slipway::ops
