// ArgMax and ArgMin: where along an axis the extreme stands. NaN is the extreme, as in NumPy.
#include <cmath>

#include "ops/elementwise.hpp"
#include "ops/reduce.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

Status infer_arg(InferContext& c) {
  const ArgReduceAttrs& attrs = c.attrs<ArgReduceAttrs>();
  const Shape* data = c.shape(0);
  if (data == nullptr) {
    c.set(0, ElementType::i64);
    return {};
  }
  const int axis = TRY(normalize_axis(attrs.axis, static_cast<int>(data->size())));
  Shape out = *data;
  if (attrs.keepdims) {
    out[static_cast<size_t>(axis)] = 1;
  } else {
    out.erase(out.begin() + axis);
  }
  c.set(0, ElementType::i64, std::move(out));
  return {};
}

template <class Before>
void scan(const Dims& in, int axis, bool last, int64_t* out, Before before) {
  const int64_t extent = in[axis], inner = in.count(axis + 1, in.rank()), outer = in.count(0, axis);
  for (int64_t o = 0; o < outer; ++o) {
    for (int64_t i = 0; i < inner; ++i) {
      const int64_t base = o * extent * inner + i;
      int64_t best = 0;
      for (int64_t k = 1; k < extent; ++k) {
        const int64_t a = base + k * inner, b = base + best * inner;
        if (before(a, b) || (last && !before(b, a))) best = k;
      }
      out[o * inner + i] = best;
    }
  }
}

template <bool Largest>
Status run_arg(RefContext& c) {
  const ArgReduceAttrs& attrs = c.attrs<ArgReduceAttrs>();
  const Tensor& x = c.in(0);
  const Dims& in = x.dims();
  const int axis = TRY(normalize_axis(attrs.axis, in.rank()));
  Dims out;
  for (int i = 0; i < in.rank(); ++i) {
    if (i != axis || attrs.keepdims) out.push_back(i == axis ? 1 : in[i]);
  }
  if (in[axis] == 0 && out.count() != 0) {
    return fail(ErrorCode::data_fault, "the extreme of nothing: axis {} of the input has extent 0", axis);
  }
  Tensor y = c.out(0, ElementType::i64, out);
  const ElementType type = x.type();
  if (is_float(type)) {
    const std::vector<double> v = c.doubles(0);
    scan(in, axis, attrs.select_last_index, y.as<int64_t>(), [&](int64_t i, int64_t k) {
      const double a = v[static_cast<size_t>(i)], b = v[static_cast<size_t>(k)];
      if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && !std::isnan(b);
      return Largest ? a > b : a < b;
    });
    return {};
  }
  scan(in, axis, attrs.select_last_index, y.as<int64_t>(), [&](int64_t i, int64_t k) {
    const int64_t a = load<int64_t>(x, i), b = load<int64_t>(x, k);
    return Largest ? integer_less(type, b, a) : integer_less(type, a, b);
  });
  return {};
}

std::vector<Sample> samples() {
  std::vector<Sample> out;
  const ArgReduceAttrs first, inner{.axis = -1}, dropped{.axis = 1, .keepdims = false},
      last{.axis = -1, .select_last_index = true};
  for (ElementType t : {E::f32, E::f16, E::bf16, E::f64, E::i32, E::i8, E::i64, E::u8, E::u64}) {
    out.push_back({std::string(name(t)), inner, {{sample::random(t, {3, 17}, is_signed_integer(t) ? -9 : 0, 9)}}, 1});
  }
  const auto f32 = [](const Dims& dims) { return SampleInput{sample::random(dims, -2, 2, 3)}; };
  out.push_back({"axis0", first, {f32({33, 7})}, 1});
  out.push_back({"middle_dropped", dropped, {f32({2, 1000, 3})}, 1});
  out.push_back({"first_of_equals", inner, {{sample::floats({2, 4}, {1, 3, 3, 0, 2, 2, 2, 2})}}, 1});
  out.push_back({"last_of_equals", last, {{sample::floats({2, 4}, {1, 3, 3, 0, 2, 2, 2, 2})}}, 1});
  out.push_back({"nan", inner, {{sample::floats({2, 4}, {1, std::nan(""), 3, std::nan(""), -0.0, 0, 0, -0.0})}}, 1});
  out.push_back({"no_rows", inner, {f32({0, 4})}, 1});
  return out;
}

Op arg_op(std::string_view op, Status (*run)(RefContext&), std::string_view doc) {
  return Op(op, {1, 11, 12, 13})
      .attrs<ArgReduceAttrs>()
      .in("data", kNumeric)
      .out("reduced", types(E::i64), 0)
      .infer(infer_arg)
      .reference(run)
      .samples(samples)
      .doc(doc);
}

}  // namespace

OpFamily arg_reduce() {
  return {arg_op("ArgMax", run_arg<true>, "The place of the largest along an axis."),
          arg_op("ArgMin", run_arg<false>, "The place of the smallest along an axis.")};
}

}  // namespace slipway::ops
