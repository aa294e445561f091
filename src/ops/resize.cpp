// Resize and Upsample: sampling on a regular grid of another size, axis by axis.
#include "ops/resize.hpp"

#include <cmath>
#include <optional>

#include "ops/complex_parts.hpp"
#include "ops/onnx_node.hpp"
#include "ops/op.hpp"
#include "ops/reference.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

constexpr TypeSet kResizable = kNumeric | kString | kBool | kComplex;
constexpr int64_t kLargestExtent = int64_t{1} << 40;

struct UpsampleAttrs {
  std::string mode = "nearest";
  bool operator==(const UpsampleAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("mode", &UpsampleAttrs::mode)}; }
};

Status check_word(const char* attr, const std::string& word, std::initializer_list<std::string_view> known) {
  for (const std::string_view k : known) {
    if (word == k) return {};
  }
  return fail(ErrorCode::invalid_model, "attribute '{}' is '{}', which Resize does not know", attr, word);
}

Status check_attrs(const ResizeAttrs& a) {
  TRY(check_word("coordinate_transformation_mode", a.coordinate_transformation_mode,
                 {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_crop_and_resize",
                  "tf_half_pixel_for_nn"}));
  TRY(check_word("keep_aspect_ratio_policy", a.keep_aspect_ratio_policy, {"stretch", "not_larger", "not_smaller"}));
  TRY(check_word("mode", a.mode, {"nearest", "linear", "cubic"}));
  return check_word("nearest_mode", a.nearest_mode, {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"});
}

/// The axes that scales, sizes and roi speak of, in their order.
Result<std::vector<int>> resized_axes(const ResizeAttrs& a, int rank) {
  std::vector<int> out;
  for (int i = 0; a.axes.empty() && i < rank; ++i) out.push_back(i);
  for (const int64_t axis : a.axes) {
    out.push_back(TRY(normalize_axis(axis, rank)));
    if (std::count(out.begin(), out.end(), out.back()) > 1) return fail(ErrorCode::invalid_model, "axis {} is named twice", axis);
  }
  return out;
}

bool given(const Tensor* t) {
  return t != nullptr && t->count() > 0;
}

Status check_count(const char* what, const Tensor& t, size_t expected) {
  if (static_cast<size_t>(t.count()) == expected) return {};
  return fail(ErrorCode::invalid_model, "{} has {} elements; {} are expected", what, t.count(), expected);
}

Result<int64_t> scaled_extent(int64_t in, float scale) {
  const float out = std::floor(static_cast<float>(in) * scale);
  if (!(scale > 0) || !(out < static_cast<float>(kLargestExtent))) {
    return fail(ErrorCode::invalid_model, "a scale of {} cannot be applied to an extent of {}", scale, in);
  }
  return static_cast<int64_t>(out);
}

bool needs_roi(const ResizeAttrs& a) {
  return a.coordinate_transformation_mode == "tf_crop_and_resize";
}

/// Infers output 0 from the values of scales and sizes, nullptr where they are not known.
Status infer_with(InferContext& c, const ResizeAttrs& a, const Tensor* scales, const Tensor* sizes) {
  TRY(check_attrs(a));
  c.set(0, c.type(0));
  if (c.shape(0) == nullptr) return {};
  const Shape& x = *c.shape(0);
  const std::vector<int> axes = TRY(resized_axes(a, static_cast<int>(x.size())));
  Shape y = x;
  for (const int i : axes) y[static_cast<size_t>(i)] = Dim::unknown();
  const bool all_known = std::all_of(x.begin(), x.end(), [](Dim d) { return d.known(); });
  if ((given(scales) || given(sizes)) && all_known) {
    const Dims d = Fact::tensor(c.type(0), x).dims();
    const std::vector<ResizeAxis> geometry = TRY(resize_geometry(a, d, nullptr, scales, sizes));
    for (size_t i = 0; i < y.size(); ++i) y[i] = geometry[i].out;
  } else if (given(sizes) && a.keep_aspect_ratio_policy == "stretch") {
    TRY(check_count("sizes", *sizes, axes.size()));
    const std::vector<int64_t> values = to_int64s(*sizes);
    for (size_t k = 0; k < axes.size(); ++k) {
      if (values[k] < 0) return fail(ErrorCode::invalid_model, "sizes has the value {}", values[k]);
      y[static_cast<size_t>(axes[k])] = values[k];
    }
  } else if (given(scales)) {
    TRY(check_count("scales", *scales, axes.size()));
    for (size_t k = 0; k < axes.size(); ++k) {
      const auto i = static_cast<size_t>(axes[k]);
      const float scale = scales->as<float>()[k];
      if (scale == 1.0f) y[i] = x[i];
      if (x[i].known()) y[i] = TRY(scaled_extent(x[i].value(), scale));
    }
  }
  c.set(0, c.type(0), std::move(y));
  return {};
}

Status infer(InferContext& c) {
  return infer_with(c, c.attrs<ResizeAttrs>(), c.value(2), c.value(3));
}

struct Tap {
  int64_t from;
  double weight;
};

/// Weights of the neighbours of x for linear and cubic, before clamping to the edge. `scale` narrows the filter when antialiased.
std::vector<Tap> neighbours(const ResizeAttrs& a, double x, double scale) {
  const bool cubic = a.mode == "cubic";
  const auto A = static_cast<double>(a.cubic_coeff_a);
  const double narrow = a.antialias ? std::min(scale, 1.0) : 1.0, radius = (cubic ? 2.0 : 1.0) / narrow;
  const auto shape = [&](double t) {
    t = std::fabs(t);
    if (!cubic) return std::max(0.0, 1 - t);
    if (t <= 1) return ((A + 2) * t - (A + 3)) * t * t + 1;
    return t < 2 ? ((A * t - 5 * A) * t + 8 * A) * t - 4 * A : 0.0;
  };
  std::vector<Tap> taps;
  double sum = 0;
  for (auto i = static_cast<int64_t>(std::floor(x - radius)); static_cast<double>(i) <= x + radius; ++i) {
    const double weight = shape((static_cast<double>(i) - x) * narrow);
    taps.push_back({i, weight});
    sum += weight;
  }
  for (Tap& t : taps) t.weight /= sum;
  return taps;
}

/// What output position `o` is made of; empty: the extrapolation value.
std::vector<Tap> position(const ResizeAttrs& a, const ResizeAxis& axis, int64_t o) {
  const double x = resize_source(a, axis, o);
  if (needs_roi(a) && (x < 0 || x > static_cast<double>(axis.in - 1))) return {};
  std::vector<Tap> taps = a.mode == "nearest" ? std::vector<Tap>{{resize_nearest(a, x), 1.0}} : neighbours(a, x, axis.scale);
  if (a.exclude_outside && a.mode != "nearest") {
    double sum = 0;
    for (Tap& t : taps) {
      if (t.from < 0 || t.from >= axis.in) t.weight = 0;
      sum += t.weight;
    }
    for (Tap& t : taps) t.weight /= sum != 0 ? sum : 1;
  }
  for (Tap& t : taps) t.from = std::clamp<int64_t>(t.from, 0, axis.in - 1);
  return taps;
}

/// Nearest of any element type: pure moves.
void gather_nearest(RefContext& c, const ResizeAttrs& a, const std::vector<std::vector<std::vector<Tap>>>& positions,
                    const Dims& yd) {
  const Tensor& x = c.in(0);
  Tensor y = c.out(0, x.type(), yd);
  const Dims steps = x.dims().strides();
  const bool number = !contains(kString | kComplex, x.type());
  walk<0>(yd, {}, [&, index = Dims::of_rank(yd.rank(), 0)](int64_t n, const std::array<int64_t, 0>&) mutable {
    int64_t from = 0;
    bool outside = false;
    for (int i = 0; i < yd.rank(); ++i) {
      const std::vector<Tap>& taps = positions[static_cast<size_t>(i)][static_cast<size_t>(index[i])];
      if (taps.empty()) {
        outside = true;
      } else {
        from += taps[0].from * steps[i];
      }
    }
    if (!outside) {
      copy_element(y, n, x, from);
    } else if (number) {
      in_domain(x.type(), [&]<class T>(T) { store<T>(y, n, static_cast<T>(a.extrapolation_value)); });
    }
    for (int i = yd.rank() - 1; i >= 0 && ++index[i] == yd[i]; --i) index[i] = 0;
  });
}

/// One axis of a row-major array replaced by its weighted sums.
std::vector<double> resample(const std::vector<double>& x, const Dims& d, int axis,
                             const std::vector<std::vector<Tap>>& positions, double outside) {
  const int64_t inner = d.count(axis + 1, d.rank()), outer = d.count(0, axis), in = d[axis];
  const auto out = static_cast<int64_t>(positions.size());
  std::vector<double> y(static_cast<size_t>(outer * out * inner));
  for (int64_t n = 0; n < outer; ++n) {
    for (int64_t o = 0; o < out; ++o) {
      double* to = y.data() + (n * out + o) * inner;
      for (const Tap& t : positions[static_cast<size_t>(o)]) {
        if (t.weight == 0) continue;  // so that an infinity there does not count
        const double* from = x.data() + (n * in + t.from) * inner;
        for (int64_t i = 0; i < inner; ++i) to[i] += t.weight * from[i];
      }
      if (positions[static_cast<size_t>(o)].empty()) std::fill(to, to + inner, outside);
    }
  }
  return y;
}

Status run_with(RefContext& c, const ResizeAttrs& a, const Tensor* roi, const Tensor* scales, const Tensor* sizes) {
  TRY(check_attrs(a));
  const Dims xd = c.in(0).dims();
  const std::vector<ResizeAxis> axes = TRY(resize_geometry(a, xd, roi, scales, sizes));
  Dims yd;
  for (const ResizeAxis& axis : axes) yd.push_back(axis.out);
  if (yd.count() == 0) {
    c.out(0, c.in(0).type(), yd);
    return {};
  }
  std::vector<std::vector<std::vector<Tap>>> positions(axes.size());
  for (size_t i = 0; i < axes.size(); ++i) {
    if (axes[i].in == 0) return fail(ErrorCode::invalid_model, "axis {} has no elements to make {} of", i, axes[i].out);
    for (int64_t o = 0; o < axes[i].out; ++o) positions[i].push_back(position(a, axes[i], o));
  }
  const ElementType type = c.in(0).type();
  if (a.mode == "nearest") {
    gather_nearest(c, a, positions, yd);
    return {};
  }
  if (type == E::string) return Error(ErrorCode::invalid_model, "strings cannot be interpolated; mode nearest is expected");
  if (contains(kComplex, type)) {
    return by_parts(c, [&](RefContext& inner, int64_t part) {
      ResizeAttrs real = a;
      if (part == 1) real.extrapolation_value = 0;
      return run_with(inner, real, roi, scales, sizes);
    });
  }
  std::vector<double> v = c.doubles(0);
  Dims d = xd;
  for (size_t i = 0; i < axes.size(); ++i) {
    const int axis = static_cast<int>(i);
    if (axes[i].scale == 1.0 && axes[i].out == axes[i].in && !needs_roi(a)) continue;
    v = resample(v, d, axis, positions[i], static_cast<double>(a.extrapolation_value));
    d[axis] = axes[i].out;
  }
  if (is_integer(type)) {
    for (double& x : v) x = std::nearbyint(x);
  }
  c.set_doubles(0, type, yd, v);
  return {};
}

Status run(RefContext& c) {
  const auto optional = [&](size_t i) { return c.has(i) ? &c.in(i) : nullptr; };
  return run_with(c, c.attrs<ResizeAttrs>(), optional(1), optional(2), optional(3));
}

/// What Upsample means as a Resize.
ResizeAttrs as_resize(const UpsampleAttrs& a) {
  ResizeAttrs out;
  out.mode = a.mode == "bilinear" ? "linear" : a.mode;
  out.coordinate_transformation_mode = "asymmetric";
  out.nearest_mode = "floor";
  return out;
}

Status infer_upsample(InferContext& c) {
  return infer_with(c, as_resize(c.attrs<UpsampleAttrs>()), c.value(1), nullptr);
}
Status run_upsample(RefContext& c) {
  return run_with(c, as_resize(c.attrs<UpsampleAttrs>()), nullptr, &c.in(1), nullptr);
}

/// Opset 10 knew scales alone; 11 and 12 had one coordinate mode more.
Status upgrade(OnnxNode& node) {
  if (node.version == 10) {
    node.inputs.insert(node.inputs.begin() + 1, ir::kNone);
    node.attrs["coordinate_transformation_mode"] = std::string("asymmetric");
    node.attrs["nearest_mode"] = std::string("floor");
    return {};
  }
  const auto mode = node.attrs.find("coordinate_transformation_mode");
  if (mode != node.attrs.end() && ir::equal(mode->second, ir::AttrValue(std::string("tf_half_pixel_for_nn")))) {
    const auto is = [&](std::string_view attr, std::string_view otherwise, std::string_view word) {
      const auto at = node.attrs.find(std::string(attr));
      return at == node.attrs.end() ? otherwise == word : ir::equal(at->second, ir::AttrValue(std::string(word)));
    };
    if (!is("mode", "nearest", "nearest") || !is("nearest_mode", "round_prefer_floor", "floor")) return {};
    mode->second = std::string("half_pixel");  // floor(x + 0.5) is rounding half up
    node.attrs["nearest_mode"] = std::string("round_prefer_ceil");
  }
  return {};
}

/// Upsample lives on as Resize.
Status upgrade_upsample(OnnxNode& node) {
  if (node.version < 7) {
    const float height = node.take_float("height_scale", 0), width = node.take_float("width_scale", 0);
    if (node.take_string("mode", "nearest") == "bilinear") node.attrs["mode"] = std::string("linear");
    node.attrs["scales"] = std::vector<float>{1, 1, height, width};
  }
  if (node.version < 9) {
    const ir::AttrValue value = node.take("scales");
    const auto* scales = std::get_if<std::vector<float>>(&value);
    if (scales == nullptr) return Error(ErrorCode::invalid_model, "Upsample needs the attribute 'scales'");
    node.set_input(1, node.constant(Tensor::from<float>(E::f32, {static_cast<int64_t>(scales->size())}, *scales)));
  }
  if (node.inputs.size() != 2) return Error(ErrorCode::invalid_model, "Upsample needs an input and its scales");
  node.inputs.insert(node.inputs.begin() + 1, ir::kNone);
  const ResizeAttrs a = as_resize({node.take_string("mode", "nearest")});
  node.attrs["mode"] = a.mode;
  node.attrs["coordinate_transformation_mode"] = a.coordinate_transformation_mode;
  node.attrs["nearest_mode"] = a.nearest_mode;
  node.op_type = "Resize";
  return {};
}

Sample make(std::string label, ResizeAttrs a, Tensor x, std::initializer_list<double> scales,
            std::initializer_list<int64_t> sizes = {}, std::initializer_list<double> roi = {}) {
  using sample::absent, sample::constant;
  const auto length = [](const auto& list) { return Dims{static_cast<int64_t>(list.size())}; };
  Sample s{std::move(label), std::move(a), {{std::move(x)}}};
  s.inputs.push_back(roi.size() != 0 ? constant(sample::floats(length(roi), roi)) : absent());
  s.inputs.push_back(scales.size() != 0 ? constant(sample::floats(length(scales), scales)) : absent());
  if (sizes.size() != 0) s.inputs.push_back(constant(sample::ints(sizes)));
  return s;
}

std::vector<Sample> samples() {
  using A = ResizeAttrs;
  const std::string asymmetric = "asymmetric", pytorch = "pytorch_half_pixel", corners = "align_corners";
  const auto noise = [](const Dims& d) { return sample::noise(d); };
  std::vector<Sample> all = {
      make("nearest_twice", A{.coordinate_transformation_mode = asymmetric, .nearest_mode = "floor"}, noise({1, 17, 5, 7}),
           {1, 1, 2, 2}),
      make("nearest_half_pixel", A{}, noise({2, 3, 5, 6}), {1, 1, 2.6, 1.5}),
      make("nearest_shrink", A{.nearest_mode = "round_prefer_ceil"}, noise({1, 3, 9, 8}), {}, {1, 3, 4, 5}),
      make("nearest_ceil_corners", A{.coordinate_transformation_mode = corners, .nearest_mode = "ceil"}, noise({1, 2, 4, 4}), {},
           {1, 2, 7, 6}),
      make("nearest_channels", A{.coordinate_transformation_mode = asymmetric, .nearest_mode = "floor"}, noise({1, 3, 2, 2}),
           {2, 2, 1, 3}),
      make("linear_half_pixel", A{.mode = "linear"}, noise({1, 24, 5, 6}), {1, 1, 2, 2}),
      make("linear_pytorch", A{.coordinate_transformation_mode = pytorch, .mode = "linear"}, noise({2, 17, 7, 9}), {},
           {2, 17, 1, 14}),
      make("linear_corners", A{.coordinate_transformation_mode = corners, .mode = "linear"}, noise({1, 32, 4, 5}), {},
           {1, 32, 11, 10}),
      make("linear_asymmetric_shrink", A{.coordinate_transformation_mode = asymmetric, .mode = "linear"}, noise({1, 3, 8, 9}),
           {1, 1, 0.6, 0.7}),
      make("linear_symmetric", A{.coordinate_transformation_mode = "half_pixel_symmetric", .mode = "linear"}, noise({1, 3, 5, 7}),
           {1, 1, 2.3, 2.9}),
      make("linear_antialias", A{.antialias = true, .mode = "linear"}, noise({1, 3, 12, 11}), {1, 1, 0.4, 0.6}),
      make("linear_line", A{.mode = "linear"}, noise({2, 3, 9}), {1, 1, 1.7}),
      make("linear_volume", A{.mode = "linear"}, noise({1, 2, 3, 4, 5}), {1, 1, 2, 1.5, 0.5}),
      make("cubic", A{.mode = "cubic"}, noise({1, 3, 6, 5}), {1, 1, 1.6, 2}),
      make("cubic_exclude_outside", A{.cubic_coeff_a = -0.5f, .exclude_outside = true, .mode = "cubic"}, noise({1, 2, 5, 5}),
           {1, 1, 0.8, 1.8}),
      make("cubic_antialias", A{.antialias = true, .mode = "cubic"}, noise({1, 2, 9, 9}), {1, 1, 0.5, 0.3}),
      make("axes", A{.axes = {3, 2}, .mode = "linear"}, noise({1, 3, 4, 5}), {}, {9, 7}),
      make("not_larger", A{.axes = {2, 3}, .keep_aspect_ratio_policy = "not_larger"}, noise({1, 2, 4, 6}), {}, {9, 9}),
      make("not_smaller", A{.axes = {2, 3}, .keep_aspect_ratio_policy = "not_smaller"}, noise({1, 2, 4, 6}), {}, {9, 9}),
      make("crop", A{.coordinate_transformation_mode = "tf_crop_and_resize", .extrapolation_value = 10.0f, .mode = "linear"},
           noise({1, 2, 6, 6}), {}, {1, 2, 4, 5}, {0, 0, 0.4, 0.6, 1, 1, 1.2, 1.7}),
      make("u8_linear", A{.mode = "linear"}, sample::noise(E::u8, {1, 3, 5, 6}), {1, 1, 2, 1.5}),
      make("i64_nearest", A{}, sample::noise(E::i64, {2, 3}), {2, 2}),
      make("f16_linear", A{.mode = "linear"}, sample::noise(E::f16, {1, 3, 4, 4}), {1, 1, 2, 2}),
  };
  return all;
}

std::vector<Sample> upsample_samples() {
  const Tensor scales = sample::floats({4}, {1, 1, 2, 3});
  return {{"nearest", UpsampleAttrs{}, {{sample::noise({1, 3, 4, 5})}, sample::constant(scales)}},
          {"linear", UpsampleAttrs{"linear"}, {{sample::noise({1, 3, 4, 5})}, sample::constant(scales)}}};
}

}  // namespace

Result<std::vector<ResizeAxis>> resize_geometry(const ResizeAttrs& attrs, const Dims& x, const Tensor* roi, const Tensor* scales,
                                                const Tensor* sizes) {
  const std::vector<int> axes = TRY(resized_axes(attrs, x.rank()));
  std::vector<ResizeAxis> out(static_cast<size_t>(x.rank()));
  for (int i = 0; i < x.rank(); ++i) out[static_cast<size_t>(i)].in = out[static_cast<size_t>(i)].out = x[i];
  if (given(scales) == given(sizes)) return Error(ErrorCode::invalid_model, "exactly one of scales and sizes is expected");
  if (given(scales)) {
    TRY(check_count("scales", *scales, axes.size()));
    for (size_t k = 0; k < axes.size(); ++k) {
      ResizeAxis& axis = out[static_cast<size_t>(axes[k])];
      const float scale = scales->as<float>()[k];
      axis.scale = static_cast<double>(scale);
      axis.out = TRY(scaled_extent(axis.in, scale));
    }
  } else {
    TRY(check_count("sizes", *sizes, axes.size()));
    const std::vector<int64_t> values = to_int64s(*sizes);
    std::optional<double> common;
    for (size_t k = 0; k < axes.size(); ++k) {
      ResizeAxis& axis = out[static_cast<size_t>(axes[k])];
      if (values[k] < 0 || values[k] > kLargestExtent) return fail(ErrorCode::invalid_model, "sizes has the value {}", values[k]);
      axis.out = values[k];
      axis.scale = axis.in == 0 ? 1.0 : static_cast<double>(values[k]) / static_cast<double>(axis.in);
      const bool larger = attrs.keep_aspect_ratio_policy == "not_smaller";
      common = !common ? axis.scale : larger ? std::max(*common, axis.scale) : std::min(*common, axis.scale);
    }
    for (const int i : axes) {
      if (attrs.keep_aspect_ratio_policy == "stretch") break;
      ResizeAxis& axis = out[static_cast<size_t>(i)];
      axis.scale = *common;
      axis.out = static_cast<int64_t>(*common * static_cast<double>(axis.in) + 0.5);
    }
  }
  if (given(roi) && needs_roi(attrs)) {
    TRY(check_count("roi", *roi, 2 * axes.size()));
    for (size_t k = 0; k < axes.size(); ++k) {
      ResizeAxis& axis = out[static_cast<size_t>(axes[k])];
      axis.roi_start = load<double>(*roi, static_cast<int64_t>(k));
      axis.roi_end = load<double>(*roi, static_cast<int64_t>(k + axes.size()));
    }
  }
  return out;
}

double resize_source(const ResizeAttrs& attrs, const ResizeAxis& axis, int64_t o) {
  const std::string& mode = attrs.coordinate_transformation_mode;
  const auto position = static_cast<double>(o), in = static_cast<double>(axis.in), exact_out = axis.scale * in;
  const double half_pixel = (position + 0.5) / axis.scale - 0.5;
  if (mode == "asymmetric") return position / axis.scale;
  if (mode == "align_corners") return exact_out == 1 ? 0.0 : position * (in - 1) / (exact_out - 1);
  if (mode == "pytorch_half_pixel") return exact_out == 1 ? -0.5 : half_pixel;
  if (mode == "tf_half_pixel_for_nn") return half_pixel + 0.5;
  if (mode == "half_pixel_symmetric") return half_pixel + in / 2 * (1 - static_cast<double>(axis.out) / exact_out);
  if (mode == "tf_crop_and_resize") {
    const double span = (axis.roi_end - axis.roi_start) * (in - 1);
    return axis.roi_start * (in - 1) + (exact_out == 1 ? span / 2 : position * span / (exact_out - 1));
  }
  return half_pixel;
}

int64_t resize_nearest(const ResizeAttrs& attrs, double x) {
  const std::string& mode = attrs.nearest_mode;
  const double at = mode == "floor"               ? std::floor(x)
                    : mode == "ceil"              ? std::ceil(x)
                    : mode == "round_prefer_ceil" ? std::floor(x + 0.5)
                                                  : std::ceil(x - 0.5);
  return static_cast<int64_t>(at);
}

OpFamily resize() {
  return {
      Op("Resize", {10, 11, 13, 18, 19})
          .attrs<ResizeAttrs>()
          .in("X", kResizable)
          .opt("roi", types(E::f16, E::f32, E::f64), 'R')
          .opt("scales", types(E::f32), 'S')
          .opt("sizes", types(E::i64), 'I')
          .out("Y")
          .reads_value(1, 2, 3)
          .infer(infer)
          .reference(run)
          .samples(samples)
          .upgrade(upgrade)
          .tolerance(Tolerance::rounding)
          .doc("A tensor sampled on a grid of another size: nearest, linear or cubic"),
      Op("Upsample", {1, 7, 9, 10})
          .attrs<UpsampleAttrs>()
          .in("X", kResizable)
          .in("scales", types(E::f32), 'S')
          .out("Y")
          .reads_value(1)
          .infer(infer_upsample)
          .reference(run_upsample)
          .samples(upsample_samples)
          .tolerance(Tolerance::rounding)
          .upgrade(upgrade_upsample)
          .doc("The forerunner of Resize; models of opset 7 to 9 get a Resize instead"),
  };
}

}  // namespace slipway::ops
