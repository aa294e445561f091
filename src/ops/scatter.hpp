// ScatterElements, ScatterND, TensorScatter: writing by index.
#pragma once

#include "ir/attrs.hpp"

namespace slipway::ops {

/// Scatter and ScatterElements.
struct ScatterAttrs {
  int64_t axis = 0;
  std::string reduction = "none";  ///< none | add | mul | max | min
  bool operator==(const ScatterAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{ir::field("reduction", &ScatterAttrs::reduction), ir::field("axis", &ScatterAttrs::axis)};
  }
};

struct ScatterNDAttrs {
  std::string reduction = "none";  ///< none | add | mul | max | min
  bool operator==(const ScatterNDAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{ir::field("reduction", &ScatterNDAttrs::reduction)}; }
};

struct TensorScatterAttrs {
  std::string mode = "linear";  ///< linear | circular
  int64_t axis = -2;
  bool operator==(const TensorScatterAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{ir::field("mode", &TensorScatterAttrs::mode), ir::field("axis", &TensorScatterAttrs::axis)};
  }
};

}  // namespace slipway::ops
