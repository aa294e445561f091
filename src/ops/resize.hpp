// Attributes of Resize and the geometry that follows from its inputs.
#pragma once

#include <string>
#include <tuple>
#include <vector>

#include "ir/attrs.hpp"

namespace slipway::ops {

/// Inputs: X, roi, scales, sizes; one of scales and sizes is given. Newest meaning (opset 19).
struct ResizeAttrs {
  bool antialias = false;
  std::vector<int64_t> axes;  ///< empty: all axes
  std::string coordinate_transformation_mode = "half_pixel";
  float cubic_coeff_a = -0.75f;
  bool exclude_outside = false;
  float extrapolation_value = 0.0f;
  std::string keep_aspect_ratio_policy = "stretch";
  std::string mode = "nearest";
  std::string nearest_mode = "round_prefer_floor";
  bool operator==(const ResizeAttrs&) const = default;
  static constexpr auto fields() {
    using A = ResizeAttrs;
    return std::tuple{ir::field("antialias", &A::antialias),
                      ir::field("axes", &A::axes),
                      ir::field("coordinate_transformation_mode", &A::coordinate_transformation_mode),
                      ir::field("cubic_coeff_a", &A::cubic_coeff_a),
                      ir::field("exclude_outside", &A::exclude_outside),
                      ir::field("extrapolation_value", &A::extrapolation_value),
                      ir::field("keep_aspect_ratio_policy", &A::keep_aspect_ratio_policy),
                      ir::field("mode", &A::mode),
                      ir::field("nearest_mode", &A::nearest_mode)};
  }
};

/// One axis of a resize: output extent and the scale that maps coordinates (out / in unless scales were given).
struct ResizeAxis {
  int64_t in = 0, out = 0;
  double scale = 1.0;
  double roi_start = 0.0, roi_end = 1.0;
};

/// For concrete inputs; `roi`, `scales` and `sizes` are nullptr when absent. One entry per axis of X.
Result<std::vector<ResizeAxis>> resize_geometry(const ResizeAttrs& attrs, const Dims& x, const Tensor* roi, const Tensor* scales,
                                                const Tensor* sizes);
/// The input coordinate of output position `o` (before rounding for nearest).
double resize_source(const ResizeAttrs& attrs, const ResizeAxis& axis, int64_t o);
/// The input position that mode nearest takes for coordinate x, not clamped.
int64_t resize_nearest(const ResizeAttrs& attrs, double x);

}  // namespace slipway::ops
