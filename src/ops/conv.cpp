// Conv, ConvInteger, QLinearConv: sliding products over any number of spatial axes, in groups.
#include "ops/conv.hpp"

#include <cmath>

#include "ops/op.hpp"
#include "ops/reference.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

constexpr TypeSet kByte = types(E::i8, E::u8);

Shape shape_of(const Dims& d) {
  return Shape(d.begin(), d.end());
}

/// The output's shape from what is known of input and weights.
Result<std::optional<Shape>> conv_shape(const ConvAttrs& a, const Shape* x, const Shape* w) {
  TRY(detail::check_group(a.group));
  if (x == nullptr && w == nullptr) return std::optional<Shape>();
  const size_t rank = x != nullptr ? x->size() : w->size();
  if (rank < 3) return fail(ErrorCode::invalid_model, "input and weights need at least 3 axes, here {}", rank);
  if (x != nullptr && w != nullptr) {
    if (w->size() != rank) {
      return fail(ErrorCode::invalid_model, "the weights have {} axes where the input has {}; they must be equal", w->size(),
                  rank);
    }
    const Dim c = (*x)[1], per_group = (*w)[1];
    if (c.known() && per_group.known() && (c.value() % a.group != 0 || c.value() / a.group != per_group.value())) {
      return fail(ErrorCode::invalid_model, "the input has {} channels where the weights take {} in each of {} groups", c.value(),
                  per_group.value(), a.group);
    }
  }
  Shape y(rank, Dim::unknown());
  if (x != nullptr) y[0] = (*x)[0];
  if (w != nullptr) y[1] = (*w)[0];
  if (y[1].known() && y[1].value() % a.group != 0) {
    return fail(ErrorCode::invalid_model, "{} output channels do not divide into {} groups", y[1].value(), a.group);
  }
  std::vector<int64_t> kernel = a.kernel_shape;
  if (w != nullptr && std::all_of(w->begin() + 2, w->end(), [](Dim d) { return d.known(); })) {
    kernel.clear();
    for (size_t i = 2; i < rank; ++i) kernel.push_back((*w)[i].value());
    if (!a.kernel_shape.empty() && a.kernel_shape != kernel) {
      return fail(ErrorCode::invalid_model, "kernel_shape disagrees with the weights' spatial extents");
    }
  }
  if (kernel.empty() || x == nullptr) return std::optional(y);
  const WindowSpec spec = a.spec(kernel);
  TRY(check_window(spec, rank - 2));
  for (size_t i = 0; i + 2 < rank; ++i) y[i + 2] = TRY(window_extent(spec, i, (*x)[i + 2]));
  return std::optional(y);
}

Status check_vector(const char* what, const Shape* v, Dim expected) {
  if (v == nullptr) return {};
  if (v->size() != 1 || ((*v)[0].known() && expected.known() && (*v)[0].value() != expected.value())) {
    return fail(ErrorCode::invalid_model, "{} must be a vector with one element per output channel", what);
  }
  return {};
}

Status infer_conv(InferContext& c) {
  auto y = TRY(conv_shape(c.attrs<ConvAttrs>(), c.shape(0), c.shape(1)));
  TRY(check_vector("the bias", c.shape(2), y ? (*y)[1] : Dim::unknown()));
  c.set(0, c.type(0), std::move(y));
  return {};
}

Status infer_conv_integer(InferContext& c) {
  c.set(0, E::i32, TRY(conv_shape(c.attrs<ConvAttrs>(), c.shape(0), c.shape(1))));
  return {};
}

Status infer_qlinear_conv(InferContext& c) {
  auto y = TRY(conv_shape(c.attrs<ConvAttrs>(), c.shape(0), c.shape(3)));
  TRY(check_vector("the bias", c.shape(8), y ? (*y)[1] : Dim::unknown()));
  c.set(0, c.type(7), std::move(y));
  return {};
}

struct Geometry {
  Window window;
  Dims y;
  int64_t groups = 1, in_channels = 0, out_channels = 0;  ///< channels per group
};

Result<Geometry> geometry(const ConvAttrs& a, const Dims& x, const Dims& w) {
  const Shape xs = shape_of(x), ws = shape_of(w);
  TRY(conv_shape(a, &xs, &ws));
  Geometry g;
  g.window = TRY(a.window(x, w));
  g.groups = a.group;
  g.in_channels = w[1];
  g.out_channels = w[0] / a.group;
  g.y = {x[0], w[0]};
  for (const WindowAxis& axis : g.window) g.y.push_back(axis.out);
  return g;
}

/// y += x * w, sums in T.
template <class T>
void accumulate(const Geometry& g, const std::vector<T>& x, const std::vector<T>& w, std::vector<T>& y) {
  const int64_t kernel = taps(g.window), in_plane = in_positions(g.window), out_plane = out_positions(g.window);
  for (int64_t tap = 0; tap < kernel; ++tap) {
    const std::vector<Meeting> pairs = meetings(g.window, tap);
    for (int64_t image = 0; image < g.y[0]; ++image) {
      for (int64_t m = 0; m < g.y[1]; ++m) {
        const int64_t group = m / g.out_channels;
        T* to = y.data() + (image * g.y[1] + m) * out_plane;
        for (int64_t c = 0; c < g.in_channels; ++c) {
          const T weight = w[static_cast<size_t>((m * g.in_channels + c) * kernel + tap)];
          const T* from = x.data() + ((image * g.groups + group) * g.in_channels + c) * in_plane;
          for (const Meeting& p : pairs) to[p.out] += weight * from[p.in];
        }
      }
    }
  }
}

Status run_conv(RefContext& c) {
  const Geometry g = TRY(geometry(c.attrs<ConvAttrs>(), c.in(0).dims(), c.in(1).dims()));
  const int64_t plane = out_positions(g.window);
  std::vector<double> y(static_cast<size_t>(g.y.count()));
  if (c.has(2)) {
    const std::vector<double> bias = c.doubles(2);
    if (static_cast<int64_t>(bias.size()) != g.y[1]) {
      return fail(ErrorCode::invalid_model, "the bias has {} elements where {} output channels are", bias.size(), g.y[1]);
    }
    for (size_t i = 0; i < y.size(); ++i) y[i] = bias[i / static_cast<size_t>(plane) % bias.size()];
  }
  accumulate(g, c.doubles(0), c.doubles(1), y);
  c.set_doubles(0, c.in(0).type(), g.y, y);
  return {};
}

/// Integers of input i minus the zero point (a scalar, or one per slice of axis 0) in input `zero`, when there is one.
Result<std::vector<int64_t>> centred(RefContext& c, size_t i, size_t zero) {
  std::vector<int64_t> v = c.ints(i);
  if (!c.has(zero)) return v;
  const std::vector<int64_t> z = c.ints(zero);
  const auto slices = static_cast<size_t>(c.in(i).dims()[0]);
  if (z.size() != 1 && z.size() != slices) {
    return fail(ErrorCode::invalid_model, "the zero point has {} elements; one, or one per output channel ({}), is expected",
                z.size(), slices);
  }
  for (size_t n = 0; n < v.size(); ++n) v[n] -= z.size() == 1 ? z[0] : z[n / (v.size() / slices)];
  return v;
}

Status run_conv_integer(RefContext& c) {
  const Geometry g = TRY(geometry(c.attrs<ConvAttrs>(), c.in(0).dims(), c.in(1).dims()));
  if (c.has(2) && c.in(2).count() != 1) return fail(ErrorCode::invalid_model, "x_zero_point must have one element");
  std::vector<int64_t> y(static_cast<size_t>(g.y.count()));
  accumulate(g, TRY(centred(c, 0, 2)), TRY(centred(c, 1, 3)), y);
  Tensor out = c.out(0, E::i32, g.y);
  for (size_t i = 0; i < y.size(); ++i) out.as<int32_t>()[i] = static_cast<int32_t>(y[i]);
  return {};
}

Status run_qlinear_conv(RefContext& c) {
  const Geometry g = TRY(geometry(c.attrs<ConvAttrs>(), c.in(0).dims(), c.in(3).dims()));
  const std::vector<double> x_scale = c.doubles(1), w_scale = c.doubles(4), y_scale = c.doubles(6);
  const std::vector<int64_t> y_zero = c.ints(7);
  if (x_scale.size() != 1 || y_scale.size() != 1 || c.in(2).count() != 1 || y_zero.size() != 1 ||
      (w_scale.size() != 1 && static_cast<int64_t>(w_scale.size()) != g.y[1])) {
    return fail(ErrorCode::invalid_model,
                "scales and zero points of x and y need one element, w_scale one or one per output channel");
  }
  const auto plane = static_cast<size_t>(out_positions(g.window)), channels = static_cast<size_t>(g.y[1]);
  std::vector<int64_t> sums(static_cast<size_t>(g.y.count()));
  if (c.has(8)) {
    const std::vector<int64_t> bias = c.ints(8);
    if (bias.size() != channels)
      return fail(ErrorCode::invalid_model, "the bias needs one element per output channel ({})", channels);
    for (size_t i = 0; i < sums.size(); ++i) sums[i] = bias[i / plane % channels];
  }
  accumulate(g, TRY(centred(c, 0, 2)), TRY(centred(c, 3, 5)), sums);
  std::vector<double> y(sums.size());
  const auto from = static_cast<float>(x_scale[0]), to = static_cast<float>(y_scale[0]);
  for (size_t i = 0; i < y.size(); ++i) {
    const auto weight = static_cast<float>(w_scale[w_scale.size() == 1 ? 0 : i / plane % channels]);
    y[i] =
        std::nearbyint(static_cast<double>(sums[i]) * static_cast<double>(from * weight / to)) + static_cast<double>(y_zero[0]);
  }
  c.set_doubles(0, c.in(7).type(), g.y, y);
  return {};
}

/// x [n, groups * in, space...], w [groups * out, in, kernel...].
Sample conv_sample(std::string label, ConvAttrs a, const Dims& x, const Dims& w, bool bias = true, ElementType type = E::f32) {
  Sample s{std::move(label), {}, {{sample::noise(type, x, 1)}, sample::constant(sample::noise(type, w, 2))}};
  if (bias) s.inputs.push_back(sample::constant(sample::noise(type, {w[0]}, 3)));
  s.attrs = std::move(a);
  return s;
}

std::vector<Sample> conv_samples() {
  std::vector<Sample> all = {
      conv_sample("k1_3to17", {}, {1, 3, 5, 7}, {17, 3, 1, 1}),
      conv_sample("k1_24to32_batch2", {}, {2, 24, 6, 5}, {32, 24, 1, 1}),
      conv_sample("k1_stride2_no_bias", {.strides = {2, 2}}, {1, 16, 7, 9}, {24, 16, 1, 1}, false),
      conv_sample("k3_pad1_32to32", {.pads = {1, 1, 1, 1}}, {1, 32, 14, 13}, {32, 32, 3, 3}),
      conv_sample("k3_pad1_17to24_batch3", {.pads = {1, 1, 1, 1}}, {3, 17, 6, 11}, {24, 17, 3, 3}),
      conv_sample("k3_stride2", {.strides = {2, 2}, .pads = {1, 1, 1, 1}}, {1, 8, 15, 16}, {16, 8, 3, 3}),
      conv_sample("k3_no_pad", {}, {1, 1, 8, 8}, {3, 1, 3, 3}, false),
      conv_sample("k7_stride2_pad3_image", {.strides = {2, 2}, .pads = {3, 3, 3, 3}}, {1, 3, 32, 29}, {17, 3, 7, 7}),
      conv_sample("k5x2_odd_pads", {.strides = {1, 2}, .pads = {2, 0, 1, 3}}, {2, 5, 9, 10}, {7, 5, 5, 2}),
      conv_sample("dilated2", {.dilations = {2, 2}, .pads = {2, 2, 2, 2}}, {1, 16, 12, 12}, {16, 16, 3, 3}),
      conv_sample("dilated3x1_stride2", {.strides = {2, 1}, .dilations = {3, 1}, .pads = {3, 1, 3, 1}}, {1, 3, 17, 9},
                  {8, 3, 3, 3}),
      conv_sample("groups2", {.pads = {1, 1, 1, 1}, .group = 2}, {1, 34, 7, 7}, {24, 17, 3, 3}),
      conv_sample("groups4_of_8", {.pads = {1, 1, 1, 1}, .group = 4}, {2, 32, 9, 8}, {32, 8, 3, 3}),
      conv_sample("groups3_k1", {.group = 3}, {1, 3, 5, 5}, {9, 1, 1, 1}),
      conv_sample("depthwise3", {.pads = {1, 1, 1, 1}, .group = 24}, {1, 24, 14, 14}, {24, 1, 3, 3}),
      conv_sample("depthwise3_stride2", {.strides = {2, 2}, .pads = {1, 1, 1, 1}, .group = 17}, {2, 17, 15, 13}, {17, 1, 3, 3}),
      conv_sample("depthwise5_no_bias", {.pads = {2, 2, 2, 2}, .group = 32}, {1, 32, 10, 11}, {32, 1, 5, 5}, false),
      conv_sample("depthwise_dilated", {.dilations = {2, 2}, .pads = {2, 2, 2, 2}, .group = 8}, {1, 8, 9, 9}, {8, 1, 3, 3}),
      conv_sample("depthwise_multiplier2", {.pads = {1, 1, 1, 1}, .group = 12}, {1, 12, 8, 8}, {24, 1, 3, 3}),
      conv_sample("same_upper", {.auto_pad = "SAME_UPPER", .strides = {2, 2}}, {1, 3, 8, 9}, {5, 3, 3, 4}),
      conv_sample("same_lower", {.auto_pad = "SAME_LOWER", .strides = {2, 2}}, {1, 3, 8, 9}, {5, 3, 3, 4}),
      conv_sample("valid", {.auto_pad = "VALID"}, {1, 4, 6, 6}, {6, 4, 3, 3}),
      conv_sample("whole_input", {}, {2, 32, 7, 7}, {40, 32, 7, 7}),
      conv_sample("pad_beyond_kernel", {.pads = {3, 4, 3, 4}}, {1, 3, 4, 4}, {4, 3, 2, 2}),
      conv_sample("line_k3", {.pads = {1, 1}}, {1, 17, 31}, {24, 17, 3}),
      conv_sample("line_k10_stride5", {.strides = {5}}, {2, 1, 103}, {32, 1, 10}, false),
      conv_sample("line_depthwise_dilated", {.dilations = {4}, .pads = {8, 0}, .group = 16}, {1, 16, 40}, {16, 1, 3}),
      conv_sample("line_groups", {.strides = {2}, .group = 2}, {1, 6, 12}, {10, 3, 4}),
      conv_sample("volume_k3", {.pads = {1, 1, 1, 1, 1, 1}}, {1, 3, 5, 6, 7}, {8, 3, 3, 3, 3}),
      conv_sample("volume_stride_dilation", {.strides = {1, 2, 2}, .dilations = {2, 1, 1}, .pads = {1, 0, 1, 1, 0, 1}},
                  {2, 4, 6, 7, 8}, {6, 4, 2, 3, 3}),
      conv_sample("volume_depthwise", {.pads = {1, 1, 1, 1, 1, 1}, .group = 5}, {1, 5, 4, 4, 6}, {5, 1, 3, 3, 3}),
      conv_sample("f64", {.pads = {1, 1, 1, 1}}, {1, 3, 6, 6}, {4, 3, 3, 3}, true, E::f64),
      conv_sample("f16", {.pads = {1, 1, 1, 1}}, {1, 3, 6, 6}, {4, 3, 3, 3}, true, E::f16),
      conv_sample("bf16", {.pads = {1, 1, 1, 1}}, {1, 3, 6, 6}, {4, 3, 3, 3}, true, E::bf16),
  };
  Sample dynamic = conv_sample("weights_at_run_time", {.pads = {1, 1, 1, 1}}, {1, 16, 6, 7}, {17, 16, 3, 3});
  for (SampleInput& input : dynamic.inputs) input.constant = false;
  all.push_back(std::move(dynamic));
  return all;
}

Sample integer_sample(std::string label, ConvAttrs a, ElementType xt, ElementType wt, const Dims& x, const Dims& w, bool zeros) {
  Sample s{std::move(label), std::move(a), {{sample::noise(xt, x, 1)}, sample::constant(sample::noise(wt, w, 2))}};
  if (zeros) {
    s.inputs.push_back(sample::constant(sample::numbers(xt, {}, {7})));
    s.inputs.push_back(sample::constant(sample::numbers(wt, {}, {3})));
  }
  return s;
}

std::vector<Sample> conv_integer_samples() {
  return {integer_sample("plain", {}, E::u8, E::u8, {1, 3, 5, 5}, {4, 3, 3, 3}, false),
          integer_sample("zero_points", {.pads = {1, 1, 1, 1}}, E::u8, E::i8, {1, 3, 6, 5}, {17, 3, 3, 3}, true),
          integer_sample("signed_groups", {.strides = {2, 2}, .group = 2}, E::i8, E::i8, {2, 4, 7, 7}, {6, 2, 3, 3}, true),
          integer_sample("line", {.pads = {1, 1}}, E::i8, E::u8, {1, 2, 9}, {3, 2, 3}, true)};
}

Sample qlinear_sample(std::string label, ConvAttrs a, ElementType xt, ElementType wt, const Dims& x, const Dims& w,
                      bool per_channel, bool bias) {
  Tensor w_scale(E::f32, per_channel ? Dims{w[0]} : Dims{}), w_zero(wt, per_channel ? Dims{w[0]} : Dims{});
  for (int64_t i = 0; i < w_scale.count(); ++i) w_scale.as<float>()[i] = 0.01f + 0.002f * static_cast<float>(i);
  using sample::constant;
  Sample s{std::move(label),
           std::move(a),
           {{sample::noise(xt, x, 1)},
            constant(Tensor::scalar(0.02f)),
            constant(sample::numbers(xt, {}, {5})),
            constant(sample::noise(wt, w, 2)),
            constant(w_scale),
            constant(w_zero),
            constant(Tensor::scalar(0.05f)),
            constant(sample::numbers(xt, {}, {9}))}};
  if (bias) s.inputs.push_back(constant(sample::noise(E::i32, {w[0]}, 3)));
  return s;
}

std::vector<Sample> qlinear_conv_samples() {
  return {qlinear_sample("per_tensor", {.pads = {1, 1, 1, 1}}, E::u8, E::i8, {1, 3, 6, 6}, {5, 3, 3, 3}, false, false),
          qlinear_sample("per_channel_bias", {.strides = {2, 2}, .pads = {1, 1, 1, 1}}, E::u8, E::i8, {2, 16, 7, 7},
                         {17, 16, 3, 3}, true, true),
          qlinear_sample("signed_k1", {}, E::i8, E::i8, {1, 24, 4, 5}, {32, 24, 1, 1}, true, true),
          qlinear_sample("depthwise", {.pads = {1, 1, 1, 1}, .group = 8}, E::u8, E::u8, {1, 8, 5, 5}, {8, 1, 3, 3}, false, true)};
}

}  // namespace

OpFamily conv() {
  return {
      Op("Conv", {1, 11, 22})
          .attrs<ConvAttrs>()
          .in("X", kFloat)
          .in("W", kFloat)
          .opt("B", kFloat)
          .out("Y")
          .infer(infer_conv)
          .reference(run_conv)
          .samples(conv_samples)
          .tolerance(Tolerance::rounding)
          .doc("Convolution over any number of spatial axes, with groups, strides, dilations and padding"),
      Op("ConvInteger", {10})
          .attrs<ConvAttrs>()
          .in("x", kByte)
          .in("w", kByte, 'W')
          .opt("x_zero_point", kByte)
          .opt("w_zero_point", kByte, 'W')
          .out("y", types(E::i32), 0)
          .infer(infer_conv_integer)
          .reference(run_conv_integer)
          .samples(conv_integer_samples)
          .doc("Convolution of 8-bit integers with 32-bit sums"),
      Op("QLinearConv", {10})
          .attrs<ConvAttrs>()
          .in("x", kByte)
          .in("x_scale", types(E::f32), 'F')
          .in("x_zero_point", kByte)
          .in("w", kByte, 'W')
          .in("w_scale", types(E::f32), 'F')
          .in("w_zero_point", kByte, 'W')
          .in("y_scale", types(E::f32), 'F')
          .in("y_zero_point", kByte, 'Y')
          .opt("B", types(E::i32), 'B')
          .out("y", kByte, 'Y')
          .infer(infer_qlinear_conv)
          .reference(run_qlinear_conv)
          .samples(qlinear_conv_samples)
          .doc("Convolution of quantised tensors, requantised to 8 bits"),
  };
}

}  // namespace slipway::ops
