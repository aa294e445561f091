// ConvTranspose: the gradient of a convolution with respect to its input; every input element scatters a kernel into the output.
#include "ops/conv_transpose.hpp"

#include "ops/op.hpp"
#include "ops/reference.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

using A = ConvTransposeAttrs;

Status check_attrs(const A& a, std::span<const int64_t> kernel, size_t rank) {
  const WindowSpec spec{a.auto_pad, kernel, a.pads, a.strides, a.dilations};
  TRY(check_window(spec, rank));
  TRY(detail::check_window_list("output_padding", a.output_padding, rank, 0));
  if (!a.output_shape.empty() && a.output_shape.size() != rank && a.output_shape.size() != rank + 2) {
    return fail(ErrorCode::invalid_model, "attribute 'output_shape' has {} values where {} spatial axes are",
                a.output_shape.size(), rank);
  }
  for (const int64_t v : a.output_shape) {
    if (v < 1 || v > detail::kLargestWindowValue)
      return fail(ErrorCode::invalid_model, "attribute 'output_shape' has the value {}", v);
  }
  return {};
}

/// Axis i over the operator's input extent x; attributes are checked already.
Result<WindowAxis> transposed_axis(const A& a, std::span<const int64_t> kernel, size_t i, int64_t x) {
  const size_t rank = kernel.size();
  TRY(detail::check_spatial_extent(i, x));
  WindowAxis w;
  w.out = x;
  w.kernel = kernel[i];
  if (!a.strides.empty()) w.stride = a.strides[i];
  if (!a.dilations.empty()) w.dilation = a.dilations[i];
  const bool same = a.auto_pad == "SAME_UPPER" || a.auto_pad == "SAME_LOWER";
  const int64_t full = (x - 1) * w.stride + w.reach() + (a.output_padding.empty() ? 0 : a.output_padding[i]);
  if (!a.output_shape.empty() || same) {
    w.in = a.output_shape.empty() ? x * w.stride : a.output_shape[a.output_shape.size() - rank + i];
    const int64_t total = std::max<int64_t>(0, full - w.in);
    w.pad_begin = a.auto_pad == "SAME_UPPER" ? total / 2 : total - total / 2;
    w.pad_end = total - w.pad_begin;
  } else {
    if (a.auto_pad != "VALID" && !a.pads.empty()) {
      w.pad_begin = a.pads[i];
      w.pad_end = a.pads[rank + i];
    }
    w.in = full - w.pad_begin - w.pad_end;
  }
  if (w.in <= 0) {
    return fail(ErrorCode::invalid_model, "spatial axis {} of extent {} would become {} long after removing pads", i, x, w.in);
  }
  return w;
}

Result<std::optional<Shape>> output_shape(const A& a, const Shape* x, const Shape* w) {
  TRY(detail::check_group(a.group));
  if (x == nullptr && w == nullptr) return std::optional<Shape>();
  const size_t rank = x != nullptr ? x->size() : w->size();
  if (rank < 3 || (x != nullptr && w != nullptr && w->size() != rank)) {
    return fail(ErrorCode::invalid_model, "input and weights need the same number of axes, at least 3; here {} and {}",
                x != nullptr ? x->size() : rank, w != nullptr ? w->size() : rank);
  }
  if (x != nullptr && w != nullptr && (*x)[1].known() && (*w)[0].known() && (*x)[1].value() != (*w)[0].value()) {
    return fail(ErrorCode::invalid_model, "the input has {} channels where the weights take {}", (*x)[1].value(),
                (*w)[0].value());
  }
  const Dim channels = w != nullptr ? (*w)[0] : (*x)[1];
  if (channels.known() && channels.value() % a.group != 0) {
    return fail(ErrorCode::invalid_model, "{} input channels do not divide into {} groups", channels.value(), a.group);
  }
  Shape y(rank, Dim::unknown());
  if (x != nullptr) y[0] = (*x)[0];
  if (w != nullptr) y[1] = (*w)[1] * Dim(a.group);
  std::vector<int64_t> kernel = a.kernel_shape;
  if (w != nullptr && std::all_of(w->begin() + 2, w->end(), [](Dim d) { return d.known(); })) {
    kernel.clear();
    for (size_t i = 2; i < rank; ++i) kernel.push_back((*w)[i].value());
    if (!a.kernel_shape.empty() && a.kernel_shape != kernel) {
      return fail(ErrorCode::invalid_model, "kernel_shape disagrees with the weights' spatial extents");
    }
  }
  if (kernel.empty()) return std::optional(y);
  TRY(check_attrs(a, kernel, rank - 2));
  for (size_t i = 0; i + 2 < rank; ++i) {
    const Dim in = x != nullptr ? (*x)[i + 2] : Dim::unknown();
    constexpr int64_t kProbe = 1 << 20;
    const WindowAxis axis = TRY(transposed_axis(a, kernel, i, in.known() ? in.value() : kProbe));
    if (in.known() || !a.output_shape.empty()) {
      y[i + 2] = axis.in;
    } else if (axis.in == kProbe && axis.stride == 1) {
      y[i + 2] = in;
    }
  }
  return std::optional(y);
}

Status infer(InferContext& c) {
  auto y = TRY(output_shape(c.attrs<A>(), c.shape(0), c.shape(1)));
  if (const Shape* bias = c.shape(2)) {
    if (bias->size() != 1 || (y && (*bias)[0].known() && (*y)[1].known() && (*bias)[0].value() != (*y)[1].value())) {
      return fail(ErrorCode::invalid_model, "the bias must be a vector with one element per output channel");
    }
  }
  c.set(0, c.type(0), std::move(y));
  return {};
}

Status run(RefContext& c) {
  const A& a = c.attrs<A>();
  const Dims xd = c.in(0).dims(), wd = c.in(1).dims();
  const Window window = TRY(a.window(xd, wd));
  const int64_t per_group_in = xd[1] / a.group, per_group_out = wd[1], channels = wd[1] * a.group;
  Dims yd = {xd[0], channels};
  for (const WindowAxis& axis : window) yd.push_back(axis.in);
  const int64_t x_plane = out_positions(window), y_plane = in_positions(window), kernel = taps(window);
  std::vector<double> y(static_cast<size_t>(yd.count()));
  if (c.has(2)) {
    const std::vector<double> bias = c.doubles(2);
    if (static_cast<int64_t>(bias.size()) != channels) {
      return fail(ErrorCode::invalid_model, "the bias has {} elements where {} output channels are", bias.size(), channels);
    }
    for (size_t i = 0; i < y.size(); ++i) y[i] = bias[i / static_cast<size_t>(y_plane) % bias.size()];
  }
  const std::vector<double> x = c.doubles(0), w = c.doubles(1);
  for (int64_t tap = 0; tap < kernel; ++tap) {
    const std::vector<Meeting> pairs = meetings(window, tap);
    for (int64_t image = 0; image < xd[0]; ++image) {
      for (int64_t ic = 0; ic < xd[1]; ++ic) {
        const double* from = x.data() + (image * xd[1] + ic) * x_plane;
        for (int64_t oc = 0; oc < per_group_out; ++oc) {
          const double weight = w[static_cast<size_t>((ic * per_group_out + oc) * kernel + tap)];
          double* to = y.data() + (image * channels + ic / per_group_in * per_group_out + oc) * y_plane;
          for (const Meeting& p : pairs) to[p.in] += weight * from[p.out];
        }
      }
    }
  }
  c.set_doubles(0, c.in(0).type(), yd, y);
  return {};
}

/// x [n, c, space...], w [c, out / group, kernel...].
Sample make(std::string label, A a, const Dims& x, const Dims& w, bool bias = true, ElementType type = E::f32) {
  Sample s{std::move(label), {}, {{sample::noise(type, x, 1)}, sample::constant(sample::noise(type, w, 2))}};
  if (bias) s.inputs.push_back(sample::constant(sample::noise(type, {w[1] * a.group}, 3)));
  s.attrs = std::move(a);
  return s;
}

std::vector<Sample> samples() {
  return {
      make("k3", {}, {1, 1, 3, 3}, {1, 2, 3, 3}, false),
      make("k2_stride2", {.strides = {2, 2}}, {1, 24, 5, 7}, {24, 17, 2, 2}),
      make("k2_stride2_thin", {.strides = {2, 2}}, {2, 24, 5, 31}, {24, 3, 2, 2}),
      make("k4_stride2_pad1", {.strides = {2, 2}, .pads = {1, 1, 1, 1}}, {1, 32, 6, 5}, {32, 16, 4, 4}),
      make("k4_stride2_batch2_no_bias", {.strides = {2, 2}, .pads = {1, 1, 1, 1}}, {2, 17, 4, 4}, {17, 24, 4, 4}, false),
      make("k3_stride2_output_padding", {.strides = {2, 2}, .pads = {1, 1, 1, 1}, .output_padding = {1, 1}}, {1, 8, 5, 6},
           {8, 8, 3, 3}),
      make("k3_stride3x2_odd_pads", {.strides = {3, 2}, .pads = {1, 0, 2, 1}}, {2, 3, 4, 5}, {3, 5, 3, 3}),
      make("k1", {}, {1, 24, 5, 5}, {24, 32, 1, 1}),
      make("stride_over_kernel", {.strides = {3, 3}}, {1, 3, 3, 4}, {3, 4, 2, 2}),
      make("dilated", {.dilations = {2, 2}}, {1, 3, 4, 4}, {3, 2, 2, 2}),
      make("output_shape", {.strides = {3, 2}, .output_shape = {10, 8}}, {1, 2, 3, 3}, {2, 3, 3, 3}, false),
      make("same_upper", {.auto_pad = "SAME_UPPER", .strides = {2, 2}}, {1, 3, 3, 4}, {3, 2, 3, 3}),
      make("same_lower", {.auto_pad = "SAME_LOWER", .strides = {2, 2}}, {1, 3, 3, 4}, {3, 2, 3, 3}),
      make("groups2", {.strides = {2, 2}, .group = 2}, {1, 6, 4, 4}, {6, 5, 2, 2}),
      make("depthwise_stride2", {.strides = {2, 2}, .pads = {1, 1, 1, 1}, .group = 16}, {1, 16, 5, 5}, {16, 1, 4, 4}, false),
      make("line", {.strides = {2}, .pads = {1, 1}}, {2, 3, 9}, {3, 17, 4}),
      make("volume", {.strides = {2, 1, 2}}, {1, 3, 3, 4, 3}, {3, 4, 2, 3, 3}),
      make("f64", {.strides = {2, 2}}, {1, 2, 3, 3}, {2, 3, 3, 3}, true, E::f64),
      make("f16", {.strides = {2, 2}}, {1, 2, 3, 3}, {2, 3, 3, 3}, true, E::f16),
      make("bf16", {.strides = {2, 2}}, {1, 2, 3, 3}, {2, 3, 3, 3}, true, E::bf16),
  };
}

}  // namespace

Result<Window> ConvTransposeAttrs::window(const Dims& x, const Dims& w) const {
  const Shape xs(x.begin(), x.end()), ws(w.begin(), w.end());
  TRY(ops::output_shape(*this, &xs, &ws));
  const std::span<const int64_t> kernel(w.begin() + 2, w.end());
  Window out;
  for (size_t i = 0; i < kernel.size(); ++i) out.push_back(TRY(transposed_axis(*this, kernel, i, x[static_cast<int>(i) + 2])));
  return out;
}

OpFamily conv_transpose() {
  return {Op("ConvTranspose", {1, 11, 22})
              .attrs<ConvTransposeAttrs>()
              .in("X", kFloat)
              .in("W", kFloat)
              .opt("B", kFloat)
              .out("Y")
              .infer(infer)
              .reference(run)
              .samples(samples)
              .tolerance(Tolerance::rounding)
              .doc("Transposed convolution over any number of spatial axes")};
}

}  // namespace slipway::ops
