// Attributes of Gelu and of com.microsoft's relatives.
#pragma once

#include <string>

#include "ops/op.hpp"

namespace slipway::ops {

struct GeluAttrs {
  std::string approximate = "none";  ///< "none": by erf; "tanh": the tanh form
  bool operator==(const GeluAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("approximate", &GeluAttrs::approximate)}; }
};

/// com.microsoft QuickGelu: x * sigmoid(alpha * x)
struct QuickGeluAttrs {
  float alpha = 1.702f;
  bool operator==(const QuickGeluAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("alpha", &QuickGeluAttrs::alpha)}; }
};

}  // namespace slipway::ops
