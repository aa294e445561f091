// DeformConv: convolution whose taps are moved by learnt offsets and weighted by a mask.
#include <cmath>

#include "ops/op.hpp"
#include "ops/reference.hpp"
#include "ops/sample.hpp"
#include "ops/window.hpp"

namespace slipway::ops {
namespace {

struct DeformConvAttrs {
  std::vector<int64_t> kernel_shape, strides, dilations, pads;
  int64_t group = 1, offset_group = 1;
  bool operator==(const DeformConvAttrs&) const = default;
  static constexpr auto fields() {
    using A = DeformConvAttrs;
    return std::tuple{field("kernel_shape", &A::kernel_shape),
                      field("strides", &A::strides),
                      field("dilations", &A::dilations),
                      field("pads", &A::pads),
                      field("group", &A::group),
                      field("offset_group", &A::offset_group)};
  }
  WindowSpec spec(std::span<const int64_t> kernel) const { return {"", kernel, pads, strides, dilations}; }
};

Status infer(InferContext& c) {
  const DeformConvAttrs& a = c.attrs<DeformConvAttrs>();
  TRY(detail::check_group(a.group));
  TRY(detail::check_group(a.offset_group));
  const Shape *x = c.shape(0), *w = c.shape(1);
  c.set(0, c.type(0));
  if (x == nullptr || w == nullptr) return {};
  if (x->size() < 3 || w->size() != x->size()) {
    return fail(ErrorCode::invalid_model, "input and weights need the same number of axes, at least 3; here {} and {}", x->size(),
                w->size());
  }
  Shape y(x->size(), Dim::unknown());
  y[0] = (*x)[0];
  y[1] = (*w)[0];
  std::vector<int64_t> kernel;
  for (size_t i = 2; i < w->size() && (*w)[i].known(); ++i) kernel.push_back((*w)[i].value());
  if (kernel.size() + 2 == w->size()) {
    TRY(check_window(a.spec(kernel), kernel.size()));
    for (size_t i = 2; i < y.size(); ++i) y[i] = TRY(window_extent(a.spec(kernel), i - 2, (*x)[i]));
  }
  c.set(0, c.type(0), std::move(y));
  return {};
}

/// Multilinear interpolation in a plane of the window's input extents; what is outside counts as zero.
double interpolate(const Window& w, const double* plane, const std::vector<double>& at) {
  double sum = 0;
  for (size_t corner = 0; corner < (size_t{1} << w.size()); ++corner) {
    double weight = 1;
    int64_t position = 0;
    for (size_t i = 0; i < w.size() && weight != 0; ++i) {
      const double low = std::floor(at[i]), part = at[i] - low;
      const bool upper = (corner >> i & 1) != 0;
      const double place = low + (upper ? 1 : 0);
      weight *= place >= 0 && place < static_cast<double>(w[i].in) ? (upper ? part : 1 - part) : 0;
      if (weight != 0) position = position * w[i].in + static_cast<int64_t>(place);
    }
    if (weight != 0) sum += weight * plane[position];
  }
  return sum;
}

Status run(RefContext& c) {
  const DeformConvAttrs& a = c.attrs<DeformConvAttrs>();
  const Dims xd = c.in(0).dims(), wd = c.in(1).dims();
  TRY(detail::check_group(a.group));
  TRY(detail::check_group(a.offset_group));
  if (xd.rank() < 3 || wd.rank() != xd.rank() || xd[1] != wd[1] * a.group || wd[0] % a.group != 0 ||
      xd[1] % a.offset_group != 0) {
    return fail(ErrorCode::invalid_model, "input {} and weights {} do not fit {} groups and {} offset groups", to_string(xd),
                to_string(wd), a.group, a.offset_group);
  }
  const Window w = TRY(make_window(a.spec(std::span(wd.begin() + 2, wd.end())), xd));
  const int64_t kernel = taps(w), outs = out_positions(w), plane = in_positions(w), channels = xd[1], filters = wd[0];
  const auto space = static_cast<int64_t>(w.size());
  if (c.in(2).count() != xd[0] * a.offset_group * kernel * space * outs ||
      (c.has(4) && c.in(4).count() != xd[0] * a.offset_group * kernel * outs) || (c.has(3) && c.in(3).count() != filters)) {
    return fail(ErrorCode::invalid_model,
                "offset, mask or bias do not fit {} offset groups, a kernel of {} and {} output positions", a.offset_group,
                kernel, outs);
  }
  const std::vector<double> x = c.doubles(0), weights = c.doubles(1), offset = c.doubles(2);
  const std::vector<double> bias = c.has(3) ? c.doubles(3) : std::vector<double>(static_cast<size_t>(filters));
  const std::vector<double> mask = c.has(4) ? c.doubles(4) : std::vector<double>();
  Dims yd = {xd[0], filters};
  for (const WindowAxis& axis : w) yd.push_back(axis.out);
  std::vector<double> y(static_cast<size_t>(yd.count()));
  for (size_t i = 0; i < y.size(); ++i) y[i] = bias[i / static_cast<size_t>(outs) % bias.size()];
  std::vector<double> at(w.size());
  for (int64_t n = 0; n < xd[0]; ++n) {
    for (int64_t ch = 0; ch < channels; ++ch) {
      const int64_t og = n * a.offset_group + ch / (channels / a.offset_group), group = ch / wd[1];
      for (int64_t tap = 0; tap < kernel; ++tap) {
        for (int64_t o = 0; o < outs; ++o) {
          int64_t tap_rest = tap, out_rest = o;
          for (size_t i = w.size(); i-- > 0;) {
            const int64_t base = out_rest % w[i].out * w[i].stride + tap_rest % w[i].kernel * w[i].dilation - w[i].pad_begin;
            at[i] = static_cast<double>(base) +
                    offset[static_cast<size_t>(((og * kernel + tap) * space + static_cast<int64_t>(i)) * outs + o)];
            tap_rest /= w[i].kernel;
            out_rest /= w[i].out;
          }
          double v = interpolate(w, x.data() + (n * channels + ch) * plane, at);
          if (!mask.empty()) v *= mask[static_cast<size_t>((og * kernel + tap) * outs + o)];
          const int64_t per_group = filters / a.group;
          for (int64_t m = group * per_group; m < (group + 1) * per_group; ++m) {
            y[static_cast<size_t>((n * filters + m) * outs + o)] +=
                v * weights[static_cast<size_t>((m * wd[1] + ch % wd[1]) * kernel + tap)];
          }
        }
      }
    }
  }
  c.set_doubles(0, c.in(0).type(), yd, y);
  return {};
}

std::vector<Sample> samples() {
  using A = DeformConvAttrs;
  const auto make = [](std::string label, A a, const Dims& x, const Dims& w, const Dims& y, bool extras) {
    const int64_t points = w.count(2, w.rank()) * a.offset_group;
    Dims offsets = {x[0], points * (x.rank() - 2)}, mask = {x[0], points};
    for (int i = 2; i < y.rank(); ++i) offsets.push_back(y[i]), mask.push_back(y[i]);
    Sample s{
        std::move(label), std::move(a), {{sample::noise(x)}, sample::constant(sample::noise(w, 2)), {sample::noise(offsets, 3)}}};
    if (extras) s.inputs.push_back(sample::constant(sample::noise({w[0]}, 4))), s.inputs.push_back({sample::noise(mask, 5)});
    return s;
  };
  return {make("plain", {}, {1, 1, 4, 4}, {1, 1, 2, 2}, {1, 1, 3, 3}, false),
          make("bias_mask_pads", {.pads = {1, 1, 1, 1}}, {2, 3, 5, 4}, {5, 3, 3, 3}, {2, 5, 5, 4}, true),
          make("groups", {.group = 2, .offset_group = 2}, {1, 4, 4, 4}, {6, 2, 2, 2}, {1, 6, 3, 3}, true),
          make("stride_dilation", {.strides = {2, 1}, .dilations = {1, 2}}, {1, 2, 6, 6}, {3, 2, 2, 2}, {1, 3, 3, 4}, false)};
}

}  // namespace

OpFamily deform_conv() {
  return {Op("DeformConv", {19, 22})
              .attrs<DeformConvAttrs>()
              .in("X", kFloat)
              .in("W", kFloat)
              .in("offset", kFloat)
              .opt("B", kFloat)
              .opt("mask", kFloat)
              .out("Y")
              .infer(infer)
              .reference(run)
              .samples(samples)
              .tolerance(Tolerance::rounding)
              .doc("Convolution with a learnt offset and weight for every tap")};
}

}  // namespace slipway::ops
