// CumSum and CumProd: running sums and products along an axis. Floats accumulate in double; integers wrap.
#include "ops/elementwise.hpp"
#include "ops/reduce.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

Status infer_cumulative(InferContext& c) {
  const Shape* axis_shape = c.shape(1);
  if (axis_shape != nullptr &&
      (axis_shape->size() > 1 || (!axis_shape->empty() && axis_shape->front().known() && axis_shape->front().value() != 1))) {
    return Error(ErrorCode::invalid_model, "the axis must be one number");
  }
  const std::optional<std::vector<int64_t>> axis = c.ints(1);
  if (axis && axis->size() == 1 && c.shape(0) != nullptr) {
    TRY(normalize_axis(axis->front(), static_cast<int>(c.shape(0)->size())));
  }
  return infer_same(c);
}

template <bool Product, class T, class Get, class Put>
void accumulate(const Dims& in, int axis, const CumulativeAttrs& attrs, Get get, Put put) {
  const int64_t extent = in[axis], inner = in.count(axis + 1, in.rank()), outer = in.count(0, axis);
  for (int64_t o = 0; o < outer; ++o) {
    for (int64_t i = 0; i < inner; ++i) {
      T sum = Product ? 1 : 0;
      for (int64_t k = 0; k < extent; ++k) {
        const int64_t at = (o * extent + (attrs.reverse ? extent - 1 - k : k)) * inner + i;
        const T next = Product ? sum * get(at) : sum + get(at);
        put(at, attrs.exclusive ? sum : next);
        sum = next;
      }
    }
  }
}

template <bool Product>
Status run_cumulative(RefContext& c) {
  const CumulativeAttrs& attrs = c.attrs<CumulativeAttrs>();
  const Tensor& x = c.in(0);
  const std::vector<int64_t> given = c.ints(1);
  if (given.size() != 1) return Error(ErrorCode::invalid_argument, "the axis must be one number");
  const int axis = TRY(normalize_axis(given.front(), x.dims().rank()));
  if (is_float(x.type())) {
    std::vector<double> values = c.doubles(0);
    accumulate<Product, double>(
        x.dims(), axis, attrs, [&](int64_t i) { return values[static_cast<size_t>(i)]; },
        [&](int64_t i, double v) { values[static_cast<size_t>(i)] = v; });
    c.set_doubles(0, x.type(), x.dims(), values);
    return {};
  }
  Tensor y = c.out(0, x.type(), x.dims());
  accumulate<Product, uint64_t>(
      x.dims(), axis, attrs, [&](int64_t i) { return static_cast<uint64_t>(load<int64_t>(x, i)); },
      [&](int64_t i, uint64_t v) { store<int64_t>(y, i, static_cast<int64_t>(v)); });
  return {};
}

std::vector<Sample> samples() {
  std::vector<Sample> out;
  const auto axis = [](int64_t a) { return sample::constant(Tensor::scalar(a)); };
  for (ElementType t : {E::f32, E::f16, E::bf16, E::f64, E::i32, E::i64, E::u32, E::u64}) {
    const bool whole = is_integer(t);
    out.push_back(
        {std::string(name(t)), CumulativeAttrs{}, {{sample::random(t, {3, 17}, whole ? 1 : 0.5, whole ? 4 : 1.5)}, axis(1)}, 1});
  }
  const auto f32 = [](const Dims& dims) { return SampleInput{sample::random(dims, 0.5, 1.5, 3)}; };
  out.push_back({"first_axis", CumulativeAttrs{}, {f32({7, 5}), axis(0)}, 1});
  out.push_back({"exclusive", CumulativeAttrs{.exclusive = true}, {f32({2, 7, 3}), axis(-2)}, 1});
  out.push_back({"reverse", CumulativeAttrs{.reverse = true}, {f32({33}), axis(0)}, 1});
  out.push_back({"reverse_exclusive", CumulativeAttrs{.exclusive = true, .reverse = true}, {f32({4, 17}), axis(1)}, 1});
  out.push_back({"i32_axis", CumulativeAttrs{}, {f32({3, 4}), sample::constant(sample::numbers(E::i32, {1}, {-1}))}, 1});
  out.push_back({"empty", CumulativeAttrs{}, {f32({0, 3}), axis(0)}, 1});
  return out;
}

Op cumulative_op(std::string_view op, std::vector<int> versions, Status (*run)(RefContext&), std::string_view doc) {
  return Op(op, std::move(versions))
      .attrs<CumulativeAttrs>()
      .in("x", kFloat | types(E::i32, E::i64, E::u32, E::u64))
      .in("axis", kIndex, 'A')
      .out("y")
      .reads_value(1)
      .tolerance(Tolerance::rounding)
      .infer(infer_cumulative)
      .reference(run)
      .samples(samples)
      .doc(doc);
}

}  // namespace

OpFamily cumulative() {
  return {cumulative_op("CumSum", {11, 14}, run_cumulative<false>, "Running sum along an axis."),
          cumulative_op("CumProd", {26}, run_cumulative<true>, "Running product along an axis.")};
}

}  // namespace slipway::ops
