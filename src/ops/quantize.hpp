// Attributes of QuantizeLinear and DequantizeLinear.
// The scale's shape sets the granularity: scalar (or one element) = per tensor; rank 1 = along `axis`; the input's rank = blocks
// of `block_size` along `axis`.
#pragma once

#include "ops/op.hpp"

namespace slipway::ops {

struct QuantizeAttrs {
  int64_t axis = 1;
  int64_t block_size = 0;
  ElementType output_dtype = ElementType::undefined;  ///< used when there is no zero point; undefined: u8
  ElementType precision = ElementType::undefined;     ///< of the division; undefined: the scale's type
  bool saturate = true;                               ///< float8 only: false turns overflow into infinity or NaN
  bool operator==(const QuantizeAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("axis", &QuantizeAttrs::axis), field("block_size", &QuantizeAttrs::block_size),
                      field("output_dtype", &QuantizeAttrs::output_dtype), field("precision", &QuantizeAttrs::precision),
                      field("saturate", &QuantizeAttrs::saturate)};
  }
};

struct DequantizeAttrs {
  int64_t axis = 1;
  int64_t block_size = 0;
  ElementType output_dtype = ElementType::undefined;  ///< undefined: the scale's type
  bool operator==(const DequantizeAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("axis", &DequantizeAttrs::axis), field("block_size", &DequantizeAttrs::block_size),
                      field("output_dtype", &DequantizeAttrs::output_dtype)};
  }
};

}  // namespace slipway::ops
