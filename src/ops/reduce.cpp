// Reduce*: sums, means, extremes, products and norms over a set of axes. Floats in double; integer sums and products wrap.
#include "ops/reduce.hpp"

#include <algorithm>
#include <cmath>

#include "ops/elementwise.hpp"
#include "ops/onnx_node.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

enum class Kind { sum, mean, max, min, prod, l1, l2, log_sum, log_sum_exp, sum_square };

/// Which axes go; an empty list (or none) means all unless `noop`.
Result<std::vector<bool>> reduced_axes(const std::vector<int64_t>& axes, int rank, bool noop) {
  std::vector<bool> reduced(static_cast<size_t>(rank), axes.empty() && !noop);
  for (int64_t axis : axes) reduced[static_cast<size_t>(TRY(normalize_axis(axis, rank)))] = true;
  return reduced;
}

/// With axes that are not known yet: the rank is known when axes are kept or counted.
std::optional<Shape> shape_of_unknown_axes(const Shape& data, const Shape* axes, bool keepdims) {
  if (keepdims) return Shape(data.size(), Dim::unknown());
  if (axes == nullptr || axes->size() != 1 || !axes->front().known()) return std::nullopt;
  const auto count = static_cast<size_t>(axes->front().value());
  return count > data.size() ? std::nullopt : std::optional<Shape>(Shape(data.size() - count, Dim::unknown()));
}

Status infer_reduce(InferContext& c) {
  const ReduceAttrs& attrs = c.attrs<ReduceAttrs>();
  const Shape* data = c.shape(0);
  if (data == nullptr) {
    c.set(0, c.type(0));
    return {};
  }
  std::vector<int64_t> axes;
  const Shape* axes_shape = c.shape(1);
  const bool empty = axes_shape != nullptr && axes_shape->size() == 1 && axes_shape->front() == Dim(0);
  if (c.has_input(1) && !empty) {
    const std::optional<std::vector<int64_t>> known = c.ints(1);
    if (!known) {
      c.set(0, c.type(0), shape_of_unknown_axes(*data, axes_shape, attrs.keepdims));
      return {};
    }
    axes = *known;
  }
  const std::vector<bool> reduced = TRY(reduced_axes(axes, static_cast<int>(data->size()), attrs.noop_with_empty_axes));
  Shape out;
  for (size_t i = 0; i < data->size(); ++i) {
    if (!reduced[i]) out.push_back((*data)[i]);
    if (reduced[i] && attrs.keepdims) out.push_back(1);
  }
  c.set(0, c.type(0), std::move(out));
  return {};
}

/// Where each element of the input goes: strides over the input's index space into the output.
struct Layout {
  Dims out;
  Dims strides;
  int64_t per_output = 1;  ///< how many elements fall together
};

Result<Layout> layout_of(const RefContext& c) {
  const ReduceAttrs& attrs = c.attrs<ReduceAttrs>();
  const Dims& in = c.in(0).dims();
  const std::vector<int64_t> axes = c.has(1) ? c.ints(1) : std::vector<int64_t>{};
  const std::vector<bool> reduced = TRY(reduced_axes(axes, in.rank(), attrs.noop_with_empty_axes));
  Layout layout;
  Dims kept = in;
  for (int i = 0; i < in.rank(); ++i) {
    const bool gone = reduced[static_cast<size_t>(i)];
    if (gone) {
      layout.per_output *= in[i];
      kept[i] = 1;
    }
    if (!gone || attrs.keepdims) layout.out.push_back(kept[i]);
  }
  layout.strides = broadcast_strides(kept, in);
  return layout;
}

template <class F>
void each(const Dims& in, const Layout& layout, F&& f) {
  walk<1>(in, {layout.strides},
          [&](int64_t n, const std::array<int64_t, 1>& at) { f(static_cast<size_t>(n), static_cast<size_t>(at[0])); });
}

double start(Kind kind) {
  const double inf = std::numeric_limits<double>::infinity();
  if (kind == Kind::max) return -inf;
  if (kind == Kind::min) return inf;
  return kind == Kind::prod ? 1 : 0;
}

double step(Kind kind, double sum, double x) {
  switch (kind) {
    case Kind::max:
      return std::isnan(sum) || sum >= x ? sum : x;
    case Kind::min:
      return std::isnan(sum) || sum <= x ? sum : x;
    case Kind::prod:
      return sum * x;
    case Kind::l1:
      return sum + std::fabs(x);
    case Kind::l2:
    case Kind::sum_square:
      return sum + x * x;
    default:
      return sum + x;
  }
}

double finish(Kind kind, double sum, double count) {
  if (kind == Kind::mean) return sum / count;
  if (kind == Kind::l2) return std::sqrt(sum);
  return kind == Kind::log_sum ? std::log(sum) : sum;
}

/// log(sum(exp(x))) with the largest finite x taken out first.
std::vector<double> log_sum_exp(const std::vector<double>& x, const Dims& in, const Layout& layout) {
  std::vector<double> top(static_cast<size_t>(layout.out.count()), -std::numeric_limits<double>::infinity());
  std::vector<double> sum(top.size(), 0.0);
  each(in, layout, [&](size_t i, size_t o) {
    if (std::isfinite(x[i])) top[o] = std::max(top[o], x[i]);
  });
  for (double& t : top) t = std::isfinite(t) ? t : 0;
  each(in, layout, [&](size_t i, size_t o) { sum[o] += std::exp(x[i] - top[o]); });
  for (size_t o = 0; o < sum.size(); ++o) sum[o] = std::log(sum[o]) + top[o];
  return sum;
}

void reduce_doubles(RefContext& c, Kind kind, const Layout& layout) {
  const std::vector<double> x = c.doubles(0);
  const Dims& in = c.in(0).dims();
  std::vector<double> out;
  if (kind == Kind::log_sum_exp) {
    out = log_sum_exp(x, in, layout);
  } else {
    out.assign(static_cast<size_t>(layout.out.count()), start(kind));
    each(in, layout, [&](size_t i, size_t o) { out[o] = step(kind, out[o], x[i]); });
    for (double& v : out) v = finish(kind, v, static_cast<double>(layout.per_output));
  }
  c.set_doubles(0, c.in(0).type(), layout.out, out);
}

/// Sums, products and extremes of integers and bool, exactly.
void reduce_integers(RefContext& c, Kind kind, const Layout& layout) {
  const Tensor& x = c.in(0);
  const ElementType type = x.type();
  const bool has_sign = is_signed_integer(type);
  const IntegerRange range = type == ElementType::boolean ? IntegerRange{0, 1} : integer_range(type);
  const int64_t first = kind == Kind::max ? range.low : kind == Kind::min ? range.high : kind == Kind::prod ? 1 : 0;
  std::vector<int64_t> out(static_cast<size_t>(layout.out.count()), first);
  each(x.dims(), layout, [&](size_t i, size_t o) {
    const int64_t v = load<int64_t>(x, static_cast<int64_t>(i));
    const auto sum = static_cast<uint64_t>(out[o]), u = static_cast<uint64_t>(v);
    switch (kind) {
      case Kind::max:
        out[o] = integer_less(type, out[o], v) ? v : out[o];
        break;
      case Kind::min:
        out[o] = integer_less(type, v, out[o]) ? v : out[o];
        break;
      case Kind::prod:
        out[o] = static_cast<int64_t>(sum * u);
        break;
      case Kind::l1:
        out[o] = static_cast<int64_t>(has_sign && v < 0 ? sum - u : sum + u);
        break;
      case Kind::sum_square:
        out[o] = static_cast<int64_t>(sum + u * u);
        break;
      default:
        out[o] = static_cast<int64_t>(sum + u);
        break;
    }
  });
  Tensor y = c.out(0, type, layout.out);
  for (size_t o = 0; o < out.size(); ++o) {
    int64_t v = out[o];
    if (kind == Kind::mean && layout.per_output != 0) {
      v = has_sign ? v / layout.per_output
                   : static_cast<int64_t>(static_cast<uint64_t>(v) / static_cast<uint64_t>(layout.per_output));
    }
    store<int64_t>(y, static_cast<int64_t>(o), v);
  }
}

template <Kind K>
Status run(RefContext& c) {
  const Layout layout = TRY(layout_of(c));
  const bool by_double = is_float(c.in(0).type()) || K == Kind::l2 || K == Kind::log_sum || K == Kind::log_sum_exp;
  if (by_double) {
    reduce_doubles(c, K, layout);
  } else {
    reduce_integers(c, K, layout);
  }
  return {};
}

/// The axes were an attribute before version 18 (ReduceSum: 13).
Status upgrade_axes(OnnxNode& node) {
  node.ints_to_input("axes", 1);
  return {};
}

template <TypeSet Types>
std::vector<Sample> samples_of() {
  std::vector<Sample> out;
  const auto add = [&](std::string label, ReduceAttrs attrs, Tensor x, std::initializer_list<int64_t> axes) {
    out.push_back({std::move(label), attrs, {{std::move(x)}, sample::constant(sample::ints(axes))}, 1});
  };
  const ReduceAttrs keep, drop{.keepdims = false}, noop{.noop_with_empty_axes = true};
  for (ElementType t : {E::f32, E::f16, E::bf16, E::f64, E::i32, E::i64, E::u32, E::u64, E::i8, E::u8, E::boolean}) {
    if (!contains(Types, t)) continue;
    const bool small = is_float(t);
    add(std::string(name(t)), keep, sample::random(t, {3, 17}, small ? 0.25 : 1, small ? 1.5 : 4), {1});
  }
  const auto f32 = [](const Dims& dims) { return sample::random(dims, 0.25, 1.5, 7); };
  out.push_back({"all", keep, {{f32({3, 5, 7})}}, 1});
  out.push_back({"all_dropped", drop, {{f32({3, 5, 7})}}, 1});
  add("spatial", keep, f32({2, 3, 7, 7}), {2, 3});
  add("spatial_dropped", drop, f32({2, 3, 5, 5}), {-2, -1});
  add("first", keep, f32({33, 7}), {0});
  add("middle", drop, f32({3, 17, 5}), {1});
  add("outer_and_inner", keep, f32({3, 5, 7}), {0, 2});
  add("long", drop, f32({2, 1000}), {-1});
  add("noop", noop, f32({2, 3}), {});
  out.push_back({"scalar", keep, {{f32({})}}, 1});
  add("one", keep, f32({4, 1}), {1});
  add("no_rows", keep, f32({0, 4}), {1});
  out.push_back({"axes_at_run_time", keep, {{f32({3, 5})}, {sample::ints({0})}}, 1});
  return out;
}

template <TypeSet Types>
std::vector<Sample> extreme_samples() {
  std::vector<Sample> out = samples_of<Types>();
  const double inf = std::numeric_limits<double>::infinity(), nan = std::nan("");
  const SampleInput x{sample::floats({3, 3}, {1, nan, 2, inf, -inf, 0, -inf, -inf, -inf})};
  out.push_back({"special", ReduceAttrs{}, {x, sample::constant(sample::ints({1}))}, 1});
  return out;
}

struct Row {
  std::string_view name;
  std::vector<int> versions;
  Status (*run)(RefContext&);
  std::string_view doc;
};

constexpr TypeSet kReducible = kFloat | types(E::i32, E::i64, E::u32, E::u64);
constexpr TypeSet kExtreme = kReducible | types(E::i8, E::u8, E::boolean);

Op reduce_op(const Row& row, TypeSet allowed) {
  return Op(row.name, row.versions)
      .attrs<ReduceAttrs>()
      .in("data", allowed)
      .opt("axes", types(E::i64), 'A')
      .out("reduced")
      .reads_value(1)
      .infer(infer_reduce)
      .reference(row.run)
      .upgrade(upgrade_axes)
      .doc(row.doc);
}

}  // namespace

OpFamily reduce() {
  OpFamily family;
  for (const Row& row : {
           Row{"ReduceSum", {1, 11, 13}, run<Kind::sum>, "Sum over the axes; 0 over nothing."},
           Row{"ReduceMean", {1, 11, 13, 18}, run<Kind::mean>, "Mean over the axes; NaN over nothing, integers truncate."},
           Row{"ReduceProd", {1, 11, 13, 18}, run<Kind::prod>, "Product over the axes; 1 over nothing."},
           Row{"ReduceL1", {1, 11, 13, 18}, run<Kind::l1>, "Sum of magnitudes over the axes."},
           Row{"ReduceL2", {1, 11, 13, 18}, run<Kind::l2>, "Square root of the sum of squares over the axes."},
           Row{"ReduceSumSquare", {1, 11, 13, 18}, run<Kind::sum_square>, "Sum of squares over the axes."},
           Row{"ReduceLogSum", {1, 11, 13, 18, 28}, run<Kind::log_sum>, "Logarithm of the sum over the axes."},
           Row{"ReduceLogSumExp", {1, 11, 13, 18, 28}, run<Kind::log_sum_exp>, "Logarithm of the sum of exponentials."},
       }) {
    family.push_back(reduce_op(row, kReducible).tolerance(Tolerance::rounding).samples(samples_of<kReducible>));
  }
  for (const Row& row : {
           Row{"ReduceMax", {1, 11, 12, 13, 18, 20}, run<Kind::max>, "Largest over the axes; NaN wins, the lowest over nothing."},
           Row{"ReduceMin",
               {1, 11, 12, 13, 18, 20},
               run<Kind::min>,
               "Smallest over the axes; NaN wins, the highest over nothing."},
       }) {
    family.push_back(reduce_op(row, kExtreme).samples(extreme_samples<kExtreme>));
  }
  return family;
}

}  // namespace slipway::ops
