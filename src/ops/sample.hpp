// Small tensors for samples, so that a sample is one line.
#pragma once

#include <cmath>
#include <string>

#include "ops/op.hpp"
#include "ops/reference.hpp"

namespace slipway::ops::sample {

/// from, from + 1, ... in any element type: wrapped to the type's width, bool by parity, strings "s0", "s1", ...
inline Tensor counting(ElementType type, const Dims& dims, int64_t from = 0) {
  Tensor t(type, dims);
  for (int64_t i = 0; i < t.count(); ++i) {
    if (type == ElementType::string) {
      t.as<std::string>()[i] = "s" + std::to_string(from + i);
    } else if (type == ElementType::c64) {
      t.as<float>()[2 * i] = static_cast<float>(from + i);
    } else if (type == ElementType::c128) {
      t.as<double>()[2 * i] = static_cast<double>(from + i);
    } else if (type == ElementType::boolean) {
      t.as<uint8_t>()[i] = static_cast<uint8_t>((from + i) & 1);
    } else {
      in_domain(type, [&]<class T>(T) { store<T>(t, i, static_cast<T>(from + i)); });
    }
  }
  return t;
}
inline Tensor counting(const Dims& dims, int64_t from = 0) { return counting(ElementType::f32, dims, from); }
/// The given numbers as a tensor of an integer, float or bool type.
inline Tensor numbers(ElementType type, const Dims& dims, std::initializer_list<double> values) {
  Tensor t(type, dims);
  int64_t i = 0;
  for (const double v : values) in_domain(type, [&]<class T>(T) { store<T>(t, i++, static_cast<T>(v)); });
  return t;
}
inline Tensor floats(const Dims& dims, std::initializer_list<double> values) { return numbers(ElementType::f32, dims, values); }
/// Uniform in [low, high), the same on every machine; whole numbers for integers, either value for bool.
inline Tensor random(ElementType type, const Dims& dims, double low = -2, double high = 2, uint64_t seed = 1) {
  Tensor t(type, dims);
  uint64_t state = seed * 0x9e3779b97f4a7c15u + 1;
  for (int64_t i = 0; i < t.count(); ++i) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    const double unit = static_cast<double>(state >> 11) * 0x1p-53, value = low + unit * (high - low);
    if (is_float(type)) {
      store<double>(t, i, value);
    } else {
      store<int64_t>(t, i, type == ElementType::boolean ? unit < 0.5 : static_cast<int64_t>(std::floor(value)));
    }
  }
  return t;
}
inline Tensor random(const Dims& dims, double low = -2, double high = 2, uint64_t seed = 1) {
  return random(ElementType::f32, dims, low, high, seed);
}
/// random() over the range that suits a type as weights or activations: [-1, 1), [-100, 100) signed, [0, 200) unsigned.
inline Tensor noise(ElementType type, const Dims& dims, uint64_t seed = 1) {
  if (is_float(type)) return random(type, dims, -1, 1, seed);
  return is_signed_integer(type) ? random(type, dims, -100, 100, seed) : random(type, dims, 0, 200, seed);
}
inline Tensor noise(const Dims& dims, uint64_t seed = 1) { return noise(ElementType::f32, dims, seed); }
/// A 1-D i64 tensor.
inline Tensor ints(std::initializer_list<int64_t> values) {
  return Tensor::vector(std::span<const int64_t>(values.begin(), values.size()));
}
inline Tensor strings(const Dims& dims, std::initializer_list<std::string_view> values) {
  Tensor t(ElementType::string, dims);
  int64_t i = 0;
  for (const std::string_view v : values) t.as<std::string>()[i++] = v;
  return t;
}
/// An input that stands as an initialiser in the sample's graph.
inline SampleInput constant(Tensor tensor) { return {std::move(tensor), true}; }
/// An absent optional input.
inline SampleInput absent() { return {}; }

}  // namespace slipway::ops::sample
