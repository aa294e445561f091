// Attributes of ConvTranspose.
#pragma once

#include <string>
#include <tuple>
#include <vector>

#include "ir/attrs.hpp"
#include "ops/window.hpp"

namespace slipway::ops {

/// Weights are [C, M / group, kernel...]; input [N, C, spatial...].
struct ConvTransposeAttrs {
  std::string auto_pad = "NOTSET";
  std::vector<int64_t> kernel_shape, strides, dilations, pads, output_padding, output_shape;
  int64_t group = 1;
  bool operator==(const ConvTransposeAttrs&) const = default;
  static constexpr auto fields() {
    using A = ConvTransposeAttrs;
    return std::tuple{ir::field("auto_pad", &A::auto_pad),
                      ir::field("kernel_shape", &A::kernel_shape),
                      ir::field("strides", &A::strides),
                      ir::field("dilations", &A::dilations),
                      ir::field("pads", &A::pads),
                      ir::field("output_padding", &A::output_padding),
                      ir::field("output_shape", &A::output_shape),
                      ir::field("group", &A::group)};
  }

  /// The window of the convolution whose gradient this is: it slides over the transposed output. So `in` of each axis is the
  /// extent of this operator's output, `out` the extent of its input.
  Result<Window> window(const Dims& x, const Dims& w) const;
};

}  // namespace slipway::ops
