// Cast, CastLike, BitCast: element type conversions.
#pragma once

#include "base/error.hpp"
#include "ir/attrs.hpp"

namespace slipway::ops {

struct CastAttrs {
  ElementType to = ElementType::f32;
  bool saturate = true;           ///< float8 only: out of range becomes the largest finite value, not NaN or infinity
  std::string round_mode = "up";  ///< f8e8m0 only: up | down | nearest
  bool operator==(const CastAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{ir::field("round_mode", &CastAttrs::round_mode), ir::field("saturate", &CastAttrs::saturate),
                      ir::field("to", &CastAttrs::to, true)};
  }
};

struct CastLikeAttrs {
  bool saturate = true;
  std::string round_mode = "up";
  bool operator==(const CastLikeAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{ir::field("round_mode", &CastLikeAttrs::round_mode), ir::field("saturate", &CastLikeAttrs::saturate)};
  }
};

struct BitCastAttrs {
  ElementType to = ElementType::f32;
  bool operator==(const BitCastAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{ir::field("to", &BitCastAttrs::to, true)}; }
};

/// The elements in another type, by Cast's rules. data_fault when a string is not a number.
Result<Tensor> cast_tensor(const Tensor& x, ElementType to);

}  // namespace slipway::ops
