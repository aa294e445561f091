// Attributes of Conv, ConvInteger and QLinearConv.
#pragma once

#include <string>
#include <tuple>
#include <vector>

#include "ir/attrs.hpp"
#include "ops/window.hpp"

namespace slipway::ops {

/// Weights are [M, C / group, kernel...]; input [N, C, spatial...].
struct ConvAttrs {
  std::string auto_pad = "NOTSET";
  std::vector<int64_t> kernel_shape, strides, dilations, pads;
  int64_t group = 1;
  bool operator==(const ConvAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{ir::field("auto_pad", &ConvAttrs::auto_pad), ir::field("kernel_shape", &ConvAttrs::kernel_shape),
                      ir::field("strides", &ConvAttrs::strides),   ir::field("dilations", &ConvAttrs::dilations),
                      ir::field("pads", &ConvAttrs::pads),         ir::field("group", &ConvAttrs::group)};
  }

  /// `kernel`: the spatial extents of the weights. The spec refers to this struct and to `kernel`.
  WindowSpec spec(std::span<const int64_t> kernel) const { return {auto_pad, kernel, pads, strides, dilations}; }
  /// The window with padding resolved, for concrete shapes of input and weights.
  Result<Window> window(const Dims& x, const Dims& w) const {
    if (w.rank() < 3)
      return fail(ErrorCode::invalid_model, "the weights need at least 3 axes, here their shape is {}", to_string(w));
    return make_window(spec(std::span(w.begin() + 2, w.end())), x);
  }
};

}  // namespace slipway::ops
