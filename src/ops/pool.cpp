// MaxPool, AveragePool, LpPool and their global forms: one number out of every window.
#include "ops/pool.hpp"

#include <cmath>
#include <limits>

#include "ops/channels_last.hpp"
#include "ops/op.hpp"
#include "ops/reference.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

constexpr TypeSet kMaxTypes = kFloat | types(E::i8, E::u8);

Result<std::optional<Shape>> pooled_shape(const WindowSpec& spec, const Shape* x) {
  if (x == nullptr) return std::optional<Shape>();
  if (x->size() < 3) return fail(ErrorCode::invalid_model, "the input needs at least 3 axes (N, C, space), here {}", x->size());
  TRY(check_window(spec, x->size() - 2));
  Shape y = *x;
  for (size_t i = 2; i < y.size(); ++i) y[i] = TRY(window_extent(spec, i - 2, (*x)[i]));
  return std::optional(y);
}

template <class A>
Status infer_pool(InferContext& c) {
  auto y = TRY(pooled_shape(c.attrs<A>().spec(), c.shape(0)));
  c.set(1, E::i64, y);
  c.set(0, c.type(0), std::move(y));
  return {};
}

Dims pooled_dims(const Dims& x, const Window& w) {
  Dims y = {x[0], x[1]};
  for (const WindowAxis& a : w) y.push_back(a.out);
  return y;
}

/// A row-major position counted column-major (the first axis runs fastest) over the input's spatial axes.
int64_t column_major(const Window& w, int64_t position) {
  int64_t out = 0, rest = in_positions(w);
  for (size_t i = w.size(); i-- > 0; position /= w[i].in) {
    rest /= w[i].in;
    out += position % w[i].in * rest;
  }
  return out;
}

Status run_max_pool(RefContext& c) {
  const MaxPoolAttrs& a = c.attrs<MaxPoolAttrs>();
  const Dims xd = c.in(0).dims();
  const Window w = TRY(a.window(xd));
  const Dims yd = pooled_dims(xd, w);
  const int64_t planes = xd[0] * xd[1], in_plane = in_positions(w), out_plane = out_positions(w);
  const std::vector<double> x = c.doubles(0);
  std::vector<double> y(static_cast<size_t>(yd.count()), -std::numeric_limits<double>::infinity());
  std::vector<int64_t> where(y.size(), -1);
  for (int64_t tap = 0; tap < taps(w); ++tap) {
    for (const Meeting& m : meetings(w, tap)) {
      for (int64_t p = 0; p < planes; ++p) {
        const double v = x[static_cast<size_t>(p * in_plane + m.in)];
        const auto to = static_cast<size_t>(p * out_plane + m.out);
        const bool greater = v > y[to] || (std::isnan(v) && !std::isnan(y[to]));
        if (where[to] >= 0 && !greater) continue;
        y[to] = v;
        where[to] = m.in;
      }
    }
  }
  c.set_doubles(0, c.in(0).type(), yd, y);
  if (!c.wants(1)) return {};
  Tensor indices = c.out(1, E::i64, yd);
  for (size_t i = 0; i < where.size(); ++i) {
    const int64_t base = static_cast<int64_t>(i) / out_plane * in_plane, at = std::max<int64_t>(where[i], 0);
    indices.as<int64_t>()[i] = base + (a.storage_order == 0 ? at : column_major(w, at));
  }
  return {};
}

Status run_average_pool(RefContext& c) {
  const AveragePoolAttrs& a = c.attrs<AveragePoolAttrs>();
  const Dims xd = c.in(0).dims();
  const Window w = TRY(a.window(xd));
  const Dims yd = pooled_dims(xd, w);
  const int64_t planes = xd[0] * xd[1], in_plane = in_positions(w), out_plane = out_positions(w);
  const std::vector<double> x = c.doubles(0);
  std::vector<double> y(static_cast<size_t>(yd.count()));
  for (int64_t tap = 0; tap < taps(w); ++tap) {
    for (const Meeting& m : meetings(w, tap)) {
      for (int64_t p = 0; p < planes; ++p)
        y[static_cast<size_t>(p * out_plane + m.out)] += x[static_cast<size_t>(p * in_plane + m.in)];
    }
  }
  for (int64_t o = 0; o < out_plane; ++o) {
    int64_t count = 1, rest = o;
    for (size_t i = w.size(); i-- > 0; rest /= w[i].out) count *= average_count(w[i], rest % w[i].out, a.count_include_pad);
    for (int64_t p = 0; p < planes; ++p) y[static_cast<size_t>(p * out_plane + o)] /= static_cast<double>(count);
  }
  c.set_doubles(0, c.in(0).type(), yd, y);
  return {};
}

Status check_p(float p) {
  if (p < 1) return fail(ErrorCode::invalid_model, "p is {}; at least 1 is expected", p);
  return {};
}

Status run_lp_pool(RefContext& c) {
  const LpPoolAttrs& a = c.attrs<LpPoolAttrs>();
  TRY(check_p(a.p));
  const Dims xd = c.in(0).dims();
  const Window w = TRY(a.window(xd));
  const Dims yd = pooled_dims(xd, w);
  const int64_t planes = xd[0] * xd[1], in_plane = in_positions(w), out_plane = out_positions(w);
  const auto p = static_cast<double>(a.p);
  const std::vector<double> x = c.doubles(0);
  std::vector<double> y(static_cast<size_t>(yd.count()));
  for (int64_t tap = 0; tap < taps(w); ++tap) {
    for (const Meeting& m : meetings(w, tap)) {
      for (int64_t n = 0; n < planes; ++n) {
        y[static_cast<size_t>(n * out_plane + m.out)] += std::pow(std::fabs(x[static_cast<size_t>(n * in_plane + m.in)]), p);
      }
    }
  }
  for (double& v : y) v = std::pow(v, 1.0 / p);
  c.set_doubles(0, c.in(0).type(), yd, y);
  return {};
}

Status infer_global(InferContext& c) {
  std::optional<Shape> y;
  if (const Shape* x = c.shape(0)) {
    if (x->size() < 2) return fail(ErrorCode::invalid_model, "the input needs axes for batch and channels, here {}", x->size());
    y = *x;
    std::fill(y->begin() + 2, y->end(), Dim(1));
  }
  c.set(0, c.type(0), std::move(y));
  return {};
}

/// Reduces every channel plane: start with `first`, take in with f(accumulator, x), finish with g(accumulator, count).
template <class F, class G>
Status reduce_planes(RefContext& c, double first, F&& f, G&& g) {
  Dims d = c.in(0).dims();
  if (d.rank() < 2)
    return fail(ErrorCode::invalid_model, "the input needs axes for batch and channels, here its shape is {}", to_string(d));
  const int64_t planes = d[0] * d[1], plane = d.count(2, d.rank());
  const std::vector<double> x = c.doubles(0);
  std::vector<double> y(static_cast<size_t>(planes), first);
  for (int64_t i = 0; i < planes * plane; ++i) f(y[static_cast<size_t>(i / plane)], x[static_cast<size_t>(i)]);
  for (double& v : y) v = g(v, static_cast<double>(plane));
  for (int i = 2; i < d.rank(); ++i) d[i] = 1;
  c.set_doubles(0, c.in(0).type(), d, y);
  return {};
}

Status run_global_average(RefContext& c) {
  return reduce_planes(
      c, 0.0, [](double& sum, double v) { sum += v; }, [](double sum, double n) { return sum / n; });
}
Status run_global_max(RefContext& c) {
  constexpr double kLowest = -std::numeric_limits<double>::infinity();
  return reduce_planes(
      c, kLowest, [](double& most, double v) { most = v > most || std::isnan(v) ? v : most; },
      [](double most, double) { return most; });
}
Status run_global_lp(RefContext& c) {
  TRY(check_p(c.attrs<GlobalLpPoolAttrs>().p));
  const auto p = static_cast<double>(c.attrs<GlobalLpPoolAttrs>().p);
  return reduce_planes(
      c, 0.0, [p](double& sum, double v) { sum += std::pow(std::fabs(v), p); },
      [p](double sum, double) { return std::pow(sum, 1 / p); });
}

template <class A>
Sample make(std::string label, A a, const Dims& x, ElementType type = E::f32, size_t outputs = 1) {
  return {std::move(label), std::move(a), {{sample::noise(type, x)}}, outputs};
}

std::vector<Sample> max_pool_samples() {
  using A = MaxPoolAttrs;
  return {
      make("k2_stride2", A{.kernel_shape = {2, 2}, .strides = {2, 2}}, {1, 17, 8, 8}),
      make("k3_stride2_pad1", A{.kernel_shape = {3, 3}, .strides = {2, 2}, .pads = {1, 1, 1, 1}}, {1, 32, 15, 14}),
      make("k3_stride2_ceil", A{.ceil_mode = true, .kernel_shape = {3, 3}, .strides = {2, 2}}, {1, 24, 14, 13}),
      make("k3_stride1_batch3", A{.kernel_shape = {3, 3}}, {3, 3, 7, 9}),
      make("k2_stride3_ceil_pad", A{.ceil_mode = true, .kernel_shape = {2, 2}, .strides = {3, 3}, .pads = {0, 0, 1, 1}},
           {1, 1, 6, 7}),
      make("k5_stride1_pad2", A{.kernel_shape = {5, 5}, .pads = {2, 2, 2, 2}}, {1, 16, 9, 10}),
      make("k3x2_odd_pads", A{.kernel_shape = {3, 2}, .strides = {1, 2}, .pads = {2, 0, 0, 1}}, {2, 5, 6, 7}),
      make("dilated", A{.kernel_shape = {2, 2}, .dilations = {2, 3}}, {1, 3, 8, 9}),
      make("same_upper", A{.auto_pad = "SAME_UPPER", .kernel_shape = {3, 3}, .strides = {2, 2}}, {1, 3, 6, 7}),
      make("same_lower", A{.auto_pad = "SAME_LOWER", .kernel_shape = {2, 2}}, {1, 3, 5, 5}),
      make("indices", A{.kernel_shape = {2, 2}, .strides = {2, 2}}, {2, 3, 6, 6}, E::f32, 2),
      make("indices_column_major", A{.kernel_shape = {3, 3}, .pads = {1, 1, 1, 1}, .storage_order = 1}, {1, 2, 4, 5}, E::f32, 2),
      make("whole_input", A{.kernel_shape = {7, 7}}, {1, 24, 7, 7}),
      make("line", A{.kernel_shape = {3}, .strides = {2}, .pads = {1, 1}}, {2, 17, 21}),
      make("volume", A{.kernel_shape = {2, 2, 2}, .strides = {1, 2, 2}}, {1, 3, 4, 6, 6}),
      make("f64", A{.kernel_shape = {2, 2}}, {1, 2, 4, 4}, E::f64),
      make("f16", A{.kernel_shape = {2, 2}}, {1, 2, 4, 4}, E::f16),
      make("bf16", A{.kernel_shape = {2, 2}}, {1, 2, 4, 4}, E::bf16),
      make("i8", A{.kernel_shape = {2, 2}, .pads = {1, 1, 1, 1}}, {1, 2, 4, 4}, E::i8),
      make("u8", A{.kernel_shape = {3, 3}, .strides = {2, 2}}, {1, 16, 7, 7}, E::u8),
  };
}

std::vector<Sample> average_pool_samples() {
  using A = AveragePoolAttrs;
  return {
      make("k2_stride2", A{.kernel_shape = {2, 2}, .strides = {2, 2}}, {1, 24, 8, 8}),
      make("k3_pad1", A{.kernel_shape = {3, 3}, .pads = {1, 1, 1, 1}}, {2, 17, 6, 7}),
      make("k3_pad1_counted", A{.count_include_pad = true, .kernel_shape = {3, 3}, .pads = {1, 1, 1, 1}}, {1, 32, 6, 7}),
      make("k3_stride2_ceil", A{.ceil_mode = true, .kernel_shape = {3, 3}, .strides = {2, 2}}, {1, 3, 8, 7}),
      make("ceil_counted",
           A{.ceil_mode = true, .count_include_pad = true, .kernel_shape = {3, 3}, .strides = {2, 2}, .pads = {1, 1, 1, 1}},
           {1, 3, 8, 8}),
      make("k3x2_stride3x2", A{.kernel_shape = {3, 2}, .strides = {3, 2}}, {1, 16, 3, 40}),
      make("dilated", A{.kernel_shape = {2, 2}, .dilations = {2, 2}}, {1, 3, 5, 6}),
      make("same_upper", A{.auto_pad = "SAME_UPPER", .kernel_shape = {3, 3}, .strides = {2, 2}}, {1, 3, 6, 7}),
      make("same_lower", A{.auto_pad = "SAME_LOWER", .kernel_shape = {2, 2}}, {1, 3, 5, 5}),
      make("whole_input", A{.kernel_shape = {7, 7}}, {2, 17, 7, 7}),
      make("line", A{.kernel_shape = {4}, .strides = {2}, .pads = {1, 2}}, {1, 5, 13}),
      make("volume", A{.kernel_shape = {2, 3, 2}, .pads = {0, 1, 1, 1, 1, 0}}, {1, 3, 4, 5, 6}),
      make("f64", A{.kernel_shape = {2, 2}}, {1, 2, 4, 4}, E::f64),
      make("f16", A{.kernel_shape = {2, 2}}, {1, 2, 4, 4}, E::f16),
      make("bf16", A{.kernel_shape = {2, 2}}, {1, 2, 4, 4}, E::bf16),
  };
}

std::vector<Sample> lp_pool_samples() {
  using A = LpPoolAttrs;
  return {make("p2", A{.kernel_shape = {2, 2}}, {1, 3, 5, 5}),
          make("p1_pad", A{.kernel_shape = {3, 3}, .strides = {2, 2}, .pads = {1, 1, 1, 1}, .p = 1}, {1, 17, 7, 6}),
          make("p3_line", A{.kernel_shape = {3}, .p = 3}, {2, 3, 9}),
          make("same_upper", A{.auto_pad = "SAME_UPPER", .kernel_shape = {2, 2}}, {1, 2, 4, 4})};
}

template <class A>
std::vector<Sample> global_samples() {
  return {make("square", A{}, {1, 17, 7, 7}),     make("batch2", A{}, {2, 32, 5, 9}),      make("line", A{}, {1, 3, 11}),
          make("volume", A{}, {1, 24, 2, 3, 4}),  make("one_pixel", A{}, {3, 16, 1, 1}),   make("f64", A{}, {1, 2, 4, 4}, E::f64),
          make("f16", A{}, {1, 2, 4, 4}, E::f16), make("bf16", A{}, {1, 2, 4, 4}, E::bf16)};
}

Op pool(std::string_view op_name, std::vector<int> versions, TypeSet element_types = kFloat) {
  return Op(op_name, std::move(versions)).in("X", element_types).out("Y").tolerance(Tolerance::rounding);
}

/// MaxPool with the channels last.
struct NhwcMaxPoolAttrs {
  std::string auto_pad = "NOTSET";
  bool ceil_mode = false;
  std::vector<int64_t> kernel_shape, strides, dilations, pads;
  bool operator==(const NhwcMaxPoolAttrs&) const = default;
  static constexpr auto fields() {
    using A = NhwcMaxPoolAttrs;
    return std::tuple{
        field("auto_pad", &A::auto_pad), field("ceil_mode", &A::ceil_mode), field("kernel_shape", &A::kernel_shape, true),
        field("strides", &A::strides),   field("dilations", &A::dilations), field("pads", &A::pads)};
  }
};

void nhwc_max_body(FunctionBody& b) {
  const auto& a = b.attrs<NhwcMaxPoolAttrs>();
  const MaxPoolAttrs pool{a.auto_pad, a.ceil_mode, a.kernel_shape, a.strides, a.dilations, a.pads};
  b.set(0, moved_channels(b, b.node("MaxPool", pool, {moved_channels(b, b.in(0), true)}), false));
}

std::vector<Sample> nhwc_max_samples() {
  const NhwcMaxPoolAttrs a{.kernel_shape = {3, 2}, .strides = {2, 1}, .pads = {1, 0, 1, 0}};
  return {{"u8", a, {{sample::noise(E::u8, {2, 6, 5, 3})}}}, {"i8", a, {{sample::noise(E::i8, {1, 7, 4, 2})}}}};
}

}  // namespace

OpFamily pool() {
  return {
      function<nhwc_max_body, NhwcMaxPoolAttrs>(Op("NhwcMaxPool", {1}, "com.microsoft").in("x", types(E::i8, E::u8)).out("y"))
          .samples(nhwc_max_samples)
          .tolerance(Tolerance::exact)
          .doc("MaxPool of bytes with the channels last"),
      pool("MaxPool", {1, 8, 10, 11, 12, 22}, kMaxTypes)
          .attrs<MaxPoolAttrs>()
          .opt_out("Indices", types(E::i64), 0)
          .infer(infer_pool<MaxPoolAttrs>)
          .reference(run_max_pool)
          .samples(max_pool_samples)
          .tolerance(Tolerance::exact)
          .doc("The largest element of every window, and where it was"),
      pool("AveragePool", {1, 7, 10, 11, 19, 22})
          .attrs<AveragePoolAttrs>()
          .infer(infer_pool<AveragePoolAttrs>)
          .reference(run_average_pool)
          .samples(average_pool_samples)
          .doc("The mean of every window"),
      pool("LpPool", {1, 2, 11, 18, 22})
          .attrs<LpPoolAttrs>()
          .infer(infer_pool<LpPoolAttrs>)
          .reference(run_lp_pool)
          .samples(lp_pool_samples)
          .doc("The p-norm of every window"),
      pool("GlobalAveragePool", {1, 22})
          .infer(infer_global)
          .reference(run_global_average)
          .samples(global_samples<NoAttrs>)
          .doc("The mean of every channel"),
      pool("GlobalMaxPool", {1, 22})
          .infer(infer_global)
          .reference(run_global_max)
          .samples(global_samples<NoAttrs>)
          .tolerance(Tolerance::exact)
          .doc("The largest element of every channel"),
      pool("GlobalLpPool", {1, 2, 22})
          .attrs<GlobalLpPoolAttrs>()
          .infer(infer_global)
          .reference(run_global_lp)
          .samples(global_samples<GlobalLpPoolAttrs>)
          .doc("The p-norm of every channel"),
  };
}

}  // namespace slipway::ops
