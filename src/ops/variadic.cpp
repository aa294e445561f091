// Sum, Mean, Max, Min of any number of broadcast operands.
#include <cmath>

#include "ops/elementwise.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

using Flag = ir::OpInfo::Flag;

/// Folds all inputs with f in double, then maps each result with g.
template <class F, class G>
Status fold_floats(RefContext& c, F f, G g) {
  const Dims dims = TRY(broadcast_dims(c));
  std::vector<double> out(static_cast<size_t>(dims.count()));
  for (size_t k = 0; k < c.input_count(); ++k) {
    const std::vector<double> x = c.doubles(k);
    walk<1>(dims, {broadcast_strides(c.in(k).dims(), dims)}, [&](int64_t n, const std::array<int64_t, 1>& at) {
      double& slot = out[static_cast<size_t>(n)];
      slot = k == 0 ? x[static_cast<size_t>(at[0])] : f(slot, x[static_cast<size_t>(at[0])]);
    });
  }
  for (double& v : out) v = g(v);
  c.set_doubles(0, c.in(0).type(), dims, out);
  return {};
}

Status run_sum(RefContext& c) {
  return fold_floats(
      c, [](double a, double b) { return a + b; }, [](double x) { return x; });
}

Status run_mean(RefContext& c) {
  const auto count = static_cast<double>(c.input_count());
  return fold_floats(
      c, [](double a, double b) { return a + b; }, [&](double x) { return x / count; });
}

/// The largest, or the smallest; NaN wins over any number.
template <bool Largest>
Status run_extreme(RefContext& c) {
  const ElementType type = c.in(0).type();
  if (is_float(type)) {
    const auto pick = [](double a, double b) { return std::isnan(a) || (Largest ? a > b : a < b) || a == b ? a : b; };
    return fold_floats(c, pick, [](double x) { return x; });
  }
  const Dims dims = TRY(broadcast_dims(c));
  Tensor out = c.out(0, type, dims);
  for (size_t k = 0; k < c.input_count(); ++k) {
    const Tensor& x = c.in(k);
    walk<1>(dims, {broadcast_strides(x.dims(), dims)}, [&](int64_t n, const std::array<int64_t, 1>& at) {
      const int64_t v = load<int64_t>(x, at[0]), held = load<int64_t>(out, n);
      if (k == 0 || (Largest ? integer_less(type, held, v) : integer_less(type, v, held))) store<int64_t>(out, n, v);
    });
  }
  return {};
}

template <TypeSet Types>
std::vector<Sample> samples_of() {
  std::vector<Sample> out = sample::of_two_inputs(Types, -60, 60, -60, 60);
  const auto f32 = [](const Dims& dims, uint64_t seed) { return SampleInput{sample::random(dims, -2, 2, seed)}; };
  out.push_back({"one_input", {}, {f32({3, 17}, 1)}, 1});
  out.push_back({"three_inputs", {}, {f32({3, 17}, 1), f32({17}, 2), f32({3, 1}, 3)}, 1});
  out.push_back({"five_inputs", {}, {f32({7}, 1), f32({7}, 2), f32({7}, 3), f32({}, 4), f32({7}, 5)}, 1});
  const double inf = std::numeric_limits<double>::infinity(), nan = std::nan("");
  out.push_back(
      {"special", {}, {{sample::floats({5}, {nan, 1, inf, -inf, nan})}, {sample::floats({5}, {1, nan, 2, inf, nan})}}, 1});
  return out;
}

Op variadic_op(std::string_view op, std::vector<int> versions, TypeSet types, Status (*run)(RefContext&), std::string_view doc) {
  return Op(op, std::move(versions))
      .in_list("data_0", types)
      .out("output")
      .flag(Flag::kElementwise | Flag::kCommutative)
      .infer(infer_broadcast)
      .reference(run)
      .upgrade(upgrade_broadcast)
      .doc(doc);
}

}  // namespace

OpFamily variadic() {
  OpFamily family;
  family.push_back(variadic_op("Sum", {1, 6, 8, 13}, kFloat, run_sum, "The sum of all inputs.")
                       .tolerance(Tolerance::rounding)
                       .samples(samples_of<kFloat>));
  family.push_back(variadic_op("Mean", {1, 6, 8, 13}, kFloat, run_mean, "The mean of all inputs.")
                       .tolerance(Tolerance::rounding)
                       .samples(samples_of<kFloat>));
  family.push_back(variadic_op("Max", {1, 6, 8, 12, 13}, kNumeric, run_extreme<true>, "The largest of all inputs; NaN wins.")
                       .samples(samples_of<kNumeric>));
  family.push_back(variadic_op("Min", {1, 6, 8, 12, 13}, kNumeric, run_extreme<false>, "The smallest of all inputs; NaN wins.")
                       .samples(samples_of<kNumeric>));
  return family;
}

}  // namespace slipway::ops
