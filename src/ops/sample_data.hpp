// Tensors for samples: written out, or pseudo-random but the same on every machine.
#pragma once

#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <span>

#include "ops/reference.hpp"

namespace slipway::ops {

/// Elements from numbers: floats rounded to the type, integers truncated and wrapped.
inline Tensor tensor_of(ElementType type, const Dims& dims, std::span<const double> values) {
  Tensor t(type, dims);
  for (size_t i = 0; i < values.size(); ++i) {
    if (is_float(type)) {
      store<double>(t, static_cast<int64_t>(i), values[i]);
    } else {
      store<int64_t>(t, static_cast<int64_t>(i), static_cast<int64_t>(values[i]));
    }
  }
  return t;
}
inline Tensor tensor_of(ElementType type, const Dims& dims, std::initializer_list<double> values) {
  return tensor_of(type, dims, std::span(values.begin(), values.size()));
}

/// Uniform in [low, high); whole numbers for the integer types, 0 or 1 for bool.
inline Tensor random_tensor(ElementType type, const Dims& dims, double low = -2, double high = 2, uint64_t seed = 1) {
  std::vector<double> values(static_cast<size_t>(dims.count()));
  uint64_t state = seed * 0x9e3779b97f4a7c15u + 1;
  for (double& v : values) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    const double unit = static_cast<double>(state >> 11) * 0x1p-53;
    v = type == ElementType::boolean ? (unit < 0.5 ? 0.0 : 1.0) : low + unit * (high - low);
    if (!is_float(type)) v = std::floor(v);
  }
  return tensor_of(type, dims, values);
}

}  // namespace slipway::ops
