// Small tensors for samples, so that a sample is one line.
#pragma once

#include <cmath>
#include <limits>
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
inline Tensor counting(const Dims& dims, int64_t from = 0) {
  return counting(ElementType::f32, dims, from);
}
/// The given numbers as a tensor of an integer, float or bool type.
inline Tensor numbers(ElementType type, const Dims& dims, std::initializer_list<double> values) {
  Tensor t(type, dims);
  int64_t i = 0;
  for (const double v : values) in_domain(type, [&]<class T>(T) { store<T>(t, i++, static_cast<T>(v)); });
  return t;
}
inline Tensor floats(const Dims& dims, std::initializer_list<double> values) {
  return numbers(ElementType::f32, dims, values);
}
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
inline Tensor noise(const Dims& dims, uint64_t seed = 1) {
  return noise(ElementType::f32, dims, seed);
}
/// The usual cases of an operator of one input that works element by element: every type, odd lengths, scalar, empty, NaN and
/// Inf.
inline std::vector<Sample> of_one_input(TypeSet allowed, double low, double high, const Attrs& attrs = {}) {
  std::vector<Sample> out;
  const auto add = [&](std::string label, Tensor x) { out.push_back({std::move(label), attrs, {{Value(std::move(x))}}, 1}); };
  ElementType first = ElementType::undefined;
  for (ElementType t : {E::f32, E::f16, E::bf16, E::f64, E::i32, E::i8, E::i64, E::u8, E::u16, E::u64, E::boolean}) {
    if (!contains(allowed, t)) continue;
    if (first == ElementType::undefined) first = t;
    add(std::string(name(t)), random(t, {3, 17}, is_unsigned_integer(t) ? std::max(low, 0.0) : low, high));
  }
  add("scalar", random(first, {}, low, high, 2));
  add("empty", Tensor(first, {2, 0, 3}));
  add("seven", random(first, {7}, low, high, 3));
  add("thousand", random(first, {2, 1, 500}, low, high, 4));
  if (contains(allowed, E::f32)) {
    const double inf = std::numeric_limits<double>::infinity();
    add("special", floats({8}, {0.0, -0.0, inf, -inf, std::nan(""), 1e-40, 3e38, -3e38}));
  }
  return out;
}
/// The usual cases of an operator of two broadcast inputs of one type; the second input from [low2, high2).
inline std::vector<Sample> of_two_inputs(TypeSet allowed, double low, double high, double low2, double high2,
                                         const Attrs& attrs = {}) {
  std::vector<Sample> out;
  const auto add = [&](std::string label, Tensor a, Tensor b) {
    out.push_back({std::move(label), attrs, {{Value(std::move(a))}, {Value(std::move(b))}}, 1});
  };
  const auto pair = [&](std::string label, ElementType t, const Dims& a, const Dims& b) {
    const bool positive = is_unsigned_integer(t);
    add(std::move(label), random(t, a, positive ? std::max(low, 0.0) : low, high, 5),
        random(t, b, positive ? std::max(low2, 0.0) : low2, high2, 6));
  };
  ElementType first = ElementType::undefined;
  for (ElementType t : {E::f32, E::f16, E::bf16, E::f64, E::i32, E::i8, E::i64, E::u8, E::u16, E::u64, E::boolean}) {
    if (!contains(allowed, t)) continue;
    if (first == ElementType::undefined) first = t;
    pair(std::string(name(t)), t, {3, 17}, {3, 17});
  }
  pair("scalar_right", first, {2, 33}, {});
  pair("scalar_left", first, {}, {1000});
  pair("row", first, {4, 7}, {7});
  pair("both_ways", first, {3, 1, 5}, {2, 1});
  pair("channel", first, {2, 3, 5, 7}, {3, 1, 1});
  pair("empty", first, {0, 4}, {1, 4});
  return out;
}
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
inline SampleInput constant(Tensor tensor) {
  return {std::move(tensor), true};
}
/// An absent optional input.
inline SampleInput absent() {
  return {};
}

}  // namespace slipway::ops::sample
