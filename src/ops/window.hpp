// Window: how a filter slides over the spatial axes of a tensor (convolutions, pooling, Col2Im), with padding resolved.
#pragma once

#include <algorithm>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/format.hpp"
#include "ir/fact.hpp"

namespace slipway::ops {

/// One spatial axis. Output position o and tap k meet the input at o * stride + k * dilation - pad_begin.
struct WindowAxis {
  int64_t kernel = 1, stride = 1, dilation = 1, pad_begin = 0, pad_end = 0;
  int64_t in = 0, out = 0;

  /// Input extent covered by one window, holes included.
  int64_t reach() const { return (kernel - 1) * dilation + 1; }
};

/// One entry per spatial axis, outermost first.
using Window = std::vector<WindowAxis>;

/// The attributes as ONNX says them; empty lists mean ones (strides, dilations) and zeros (pads).
struct WindowSpec {
  std::string_view auto_pad;
  std::span<const int64_t> kernel, pads, strides, dilations;
  bool ceil_mode = false;
};

namespace detail {

/// Extents, strides, dilations and pads of one window at most; keeps every product far from overflow.
constexpr int64_t kLargestWindowValue = int64_t{1} << 31;

inline Status check_window_list(std::string_view attr, std::span<const int64_t> values, size_t expected, int64_t least) {
  if (!values.empty() && values.size() != expected) {
    return fail(ErrorCode::invalid_model, "attribute '{}' has {} values where the spatial rank asks for {}", attr, values.size(),
                expected);
  }
  for (int64_t v : values) {
    if (v < least || v > kLargestWindowValue) {
      return fail(ErrorCode::invalid_model, "attribute '{}' has the value {}; {}..{} is allowed", attr, v, least,
                  kLargestWindowValue);
    }
  }
  return {};
}

/// Refuses group counts that no model has and that would overflow products.
inline Status check_group(int64_t group) {
  if (group >= 1 && group <= kLargestWindowValue) return {};
  return fail(ErrorCode::invalid_model, "group is {}; 1..{} is allowed", group, kLargestWindowValue);
}

inline Status check_spatial_extent(size_t axis, int64_t extent) {
  if (extent <= kLargestWindowValue) return {};
  return fail(ErrorCode::limit, "spatial axis {} of extent {} is beyond the limit of {}", axis, extent, kLargestWindowValue);
}

}  // namespace detail

/// Checks the lists against `spatial_rank` and the auto_pad word.
inline Status check_window(const WindowSpec& spec, size_t spatial_rank) {
  if (spec.kernel.size() != spatial_rank) {
    return fail(ErrorCode::invalid_model, "the kernel has {} axes where the input has {} spatial axes", spec.kernel.size(),
                spatial_rank);
  }
  TRY(detail::check_window_list("kernel_shape", spec.kernel, spatial_rank, 1));
  TRY(detail::check_window_list("strides", spec.strides, spatial_rank, 1));
  TRY(detail::check_window_list("dilations", spec.dilations, spatial_rank, 1));
  TRY(detail::check_window_list("pads", spec.pads, 2 * spatial_rank, 0));
  for (std::string_view word : {"NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID", ""}) {
    if (spec.auto_pad == word) return {};
  }
  return fail(ErrorCode::invalid_model, "auto_pad is '{}'; NOTSET, SAME_UPPER, SAME_LOWER or VALID is expected", spec.auto_pad);
}

/// Axis i of a checked spec over an input extent `in`: padding resolved, `out` computed (0 or less when the window does not fit).
inline WindowAxis window_axis(const WindowSpec& spec, size_t i, int64_t in) {
  const size_t rank = spec.kernel.size();
  WindowAxis a;
  a.in = in;
  a.kernel = spec.kernel[i];
  if (!spec.strides.empty()) a.stride = spec.strides[i];
  if (!spec.dilations.empty()) a.dilation = spec.dilations[i];
  if (spec.auto_pad == "SAME_UPPER" || spec.auto_pad == "SAME_LOWER") {
    a.out = (in + a.stride - 1) / a.stride;
    const int64_t total = std::max<int64_t>(0, (a.out - 1) * a.stride + a.reach() - in);
    a.pad_begin = spec.auto_pad == "SAME_UPPER" ? total / 2 : total - total / 2;
    a.pad_end = total - a.pad_begin;
    return a;
  }
  if (spec.auto_pad != "VALID" && !spec.pads.empty()) {
    a.pad_begin = spec.pads[i];
    a.pad_end = spec.pads[i + rank];
  }
  const int64_t slack = in + a.pad_begin + a.pad_end - a.reach();
  if (slack < 0) return a;
  a.out = slack / a.stride + 1;
  if (spec.ceil_mode && slack % a.stride != 0 && a.out * a.stride < in + a.pad_begin) ++a.out;  // the last window starts inside
  return a;
}

/// The window over an input [N, C, spatial...]. Errors: lists of the wrong length, a kernel larger than the padded input.
inline Result<Window> make_window(const WindowSpec& spec, const Dims& input) {
  if (input.rank() < 3) {
    return fail(ErrorCode::invalid_model, "the input needs axes for batch, channels and space, here its shape is {}",
                to_string(input));
  }
  const auto rank = static_cast<size_t>(input.rank() - 2);
  TRY(check_window(spec, rank));
  Window w(rank);
  for (size_t i = 0; i < rank; ++i) {
    TRY(detail::check_spatial_extent(i, input[static_cast<int>(i) + 2]));
    w[i] = window_axis(spec, i, input[static_cast<int>(i) + 2]);
    if (w[i].out <= 0 && w[i].in > 0) {
      return fail(ErrorCode::invalid_model,
                  "spatial axis {} of extent {} is smaller than the kernel (which covers {}) after padding", i, w[i].in,
                  w[i].reach());
    }
  }
  return w;
}

/// The output extent of axis i for a possibly symbolic input extent: kept where the window keeps it, unknown when not computable.
inline Result<ir::Dim> window_extent(const WindowSpec& spec, size_t i, ir::Dim in) {
  if (in.known()) {
    TRY(detail::check_spatial_extent(i, in.value()));
    const WindowAxis a = window_axis(spec, i, in.value());
    if (a.out <= 0 && a.in > 0) {
      return fail(ErrorCode::invalid_model,
                  "spatial axis {} of extent {} is smaller than the kernel (which covers {}) after padding", i, a.in, a.reach());
    }
    return ir::Dim(a.out);
  }
  const WindowAxis probe = window_axis(spec, i, detail::kLargestWindowValue);
  return probe.stride == 1 && probe.out == probe.in ? in : ir::Dim::unknown();
}

/// Positions per channel: the products of the input's and the output's spatial extents, and the taps of the kernel.
inline int64_t in_positions(const Window& w) {
  int64_t n = 1;
  for (const WindowAxis& a : w) n *= a.in;
  return n;
}
inline int64_t out_positions(const Window& w) {
  int64_t n = 1;
  for (const WindowAxis& a : w) n *= a.out;
  return n;
}
inline int64_t taps(const Window& w) {
  int64_t n = 1;
  for (const WindowAxis& a : w) n *= a.kernel;
  return n;
}

/// Where one tap of the kernel meets the input: row-major output and input positions.
struct Meeting {
  int64_t out = 0, in = 0;
};

/// All meetings of tap number `tap` (row-major in the kernel), in the order of output positions; those in the padding are left
/// out.
inline std::vector<Meeting> meetings(const Window& w, int64_t tap) {
  std::vector<Meeting> found{{0, 0}};
  std::vector<int64_t> at(w.size());
  for (size_t i = w.size(); i-- > 0; tap /= w[i].kernel) at[i] = tap % w[i].kernel;
  for (size_t i = 0; i < w.size(); ++i) {
    const WindowAxis& a = w[i];
    std::vector<Meeting> next;
    for (const Meeting& m : found) {
      for (int64_t o = 0; o < a.out; ++o) {
        const int64_t in = o * a.stride + at[i] * a.dilation - a.pad_begin;
        if (in >= 0 && in < a.in) next.push_back({m.out * a.out + o, m.in * a.in + in});
      }
    }
    found = std::move(next);
  }
  return found;
}

}  // namespace slipway::ops
