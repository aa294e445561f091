// Constant and ConstantOfShape. The importer turns Constant nodes into constant values; the node form remains valid.
#pragma once

#include "ir/attrs.hpp"

namespace slipway::ops {

/// Exactly one field is set.
struct ConstantAttrs {
  Tensor value;
  std::optional<float> value_float;
  std::optional<std::vector<float>> value_floats;
  std::optional<int64_t> value_int;
  std::optional<std::vector<int64_t>> value_ints;
  std::optional<std::string> value_string;
  std::optional<std::vector<std::string>> value_strings;
  static constexpr auto fields() {
    using A = ConstantAttrs;
    return std::tuple{ir::field("value_strings", &A::value_strings),
                      ir::field("value_string", &A::value_string),
                      ir::field("value_floats", &A::value_floats),
                      ir::field("value_float", &A::value_float),
                      ir::field("value_ints", &A::value_ints),
                      ir::field("value_int", &A::value_int),
                      ir::field("value", &A::value)};
  }
};

/// The tensor that the attributes stand for; no tensor when none is set.
Tensor constant_tensor(const ConstantAttrs& attrs);

struct ConstantOfShapeAttrs {
  Tensor value;  ///< one element; none: f32 zero
  static constexpr auto fields() { return std::tuple{ir::field("value", &ConstantOfShapeAttrs::value)}; }
};

}  // namespace slipway::ops
