#include "base/low_precision.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace slipway {
namespace {

template <class T>
T load_as(const void* data, int64_t index) {
  T out;
  std::memcpy(&out, static_cast<const char*>(data) + index * static_cast<int64_t>(sizeof(T)), sizeof(T));
  return out;
}
template <>
bool load_as<bool>(const void* data, int64_t index) {  // any byte but 0 is true; reading it as bool would be undefined
  return static_cast<const uint8_t*>(data)[index] != 0;
}

template <class T>
void store_as(void* data, int64_t index, T value) {
  std::memcpy(static_cast<char*>(data) + index * static_cast<int64_t>(sizeof(T)), &value, sizeof(T));
}

/// Cut towards zero, saturated, NaN gives 0.
template <class T>
T to_integer(double value) {
  using Limits = std::numeric_limits<T>;
  if (value != value) return 0;
  // The bounds are exact in double: max + 1 is a power of two.
  if (value >= std::ldexp(1.0, Limits::digits)) return Limits::max();
  if (value <= static_cast<double>(Limits::min())) return Limits::min();
  return static_cast<T>(value);
}

template <class T>
T from_double(double value, bool saturate) {
  if constexpr (std::is_same_v<T, bool>) {
    return value != 0;
  } else if constexpr (std::is_integral_v<T>) {
    return to_integer<T>(value);
  } else if constexpr (std::is_floating_point_v<T>) {
    return static_cast<T>(value);
  } else if constexpr (std::is_same_v<T, Float8E8M0>) {
    return T::from(value);
  } else {
    return T::from(value, saturate && sizeof(T) == 1);
  }
}

template <class T>
int64_t as_int64(T value) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<int64_t>(value);
  } else {
    return to_integer<int64_t>(static_cast<double>(value));
  }
}

template <class T>
T from_int64(int64_t value) {
  if constexpr (std::is_same_v<T, bool>) {
    return value != 0;
  } else if constexpr (std::is_arithmetic_v<T>) {
    return static_cast<T>(value);
  } else {
    return T(static_cast<double>(value));
  }
}

struct Packed {
  int width, shift;
  int64_t byte;
};

Packed locate(ElementType type, int64_t index) {
  const int width = bits(type), per_byte = 8 / width;
  return {width, static_cast<int>(index % per_byte) * width, index / per_byte};
}

uint32_t load_packed(const void* data, ElementType type, int64_t index) {
  const Packed at = locate(type, index);
  return (static_cast<const uint8_t*>(data)[at.byte] >> at.shift) & ((1u << at.width) - 1);
}

void store_packed(void* data, ElementType type, int64_t index, uint32_t value) {
  const Packed at = locate(type, index);
  const uint32_t mask = (1u << at.width) - 1;
  uint8_t& byte = static_cast<uint8_t*>(data)[at.byte];
  byte = static_cast<uint8_t>((byte & ~(mask << at.shift)) | ((value & mask) << at.shift));
}

/// The value of a packed integer pattern.
int64_t extend(ElementType type, uint32_t pattern) {
  const int width = bits(type);
  const bool negative = is_signed_integer(type) && ((pattern >> (width - 1)) & 1) != 0;
  return static_cast<int64_t>(pattern) - (negative ? int64_t{1} << width : 0);
}

double load_other(const void* data, ElementType type, int64_t index) {
  if (type == ElementType::f4e2m1) return double(Float4E2M1::from_bits(static_cast<uint8_t>(load_packed(data, type, index))));
  if (contains(type_sets::kSubByte, type)) return static_cast<double>(extend(type, load_packed(data, type, index)));
  if (type == ElementType::c64) return load_as<float>(data, 2 * index);
  if (type == ElementType::c128) return load_as<double>(data, 2 * index);
  return 0;
}

void store_other(void* data, ElementType type, int64_t index, double value) {
  if (type == ElementType::f4e2m1) {
    store_packed(data, type, index, Float4E2M1(value).bits);
  } else if (contains(type_sets::kSubByte, type)) {
    const int width = bits(type);
    const int64_t least = is_signed_integer(type) ? -(int64_t{1} << (width - 1)) : 0, most = least + (int64_t{1} << width) - 1;
    store_packed(data, type, index, static_cast<uint32_t>(std::min(std::max(to_integer<int64_t>(value), least), most)));
  } else if (type == ElementType::c64) {
    store_as(data, 2 * index, static_cast<float>(value));
    store_as(data, 2 * index + 1, 0.0F);
  } else if (type == ElementType::c128) {
    store_as(data, 2 * index, value);
    store_as(data, 2 * index + 1, 0.0);
  }
}

void store_number(void* data, ElementType type, int64_t index, double value, bool saturate) {
  const auto store = [&]<class T>() { store_as<T>(data, index, from_double<T>(value, saturate)); };
  if (!with_type(type, store)) store_other(data, type, index, value);
}

}  // namespace

double load_double(const void* data, ElementType type, int64_t index) {
  double out = 0;
  const auto load = [&]<class T>() { out = static_cast<double>(load_as<T>(data, index)); };
  return with_type(type, load) ? out : load_other(data, type, index);
}

void store_double(void* data, ElementType type, int64_t index, double value) {
  store_number(data, type, index, value, false);
}

void store_saturated(void* data, ElementType type, int64_t index, double value) {
  store_number(data, type, index, value, true);
}

int64_t load_int64(const void* data, ElementType type, int64_t index) {
  int64_t out = 0;
  const auto load = [&]<class T>() { out = as_int64(load_as<T>(data, index)); };
  if (with_type(type, load)) return out;
  return to_integer<int64_t>(load_other(data, type, index));
}

void store_int64(void* data, ElementType type, int64_t index, int64_t value) {
  const auto store = [&]<class T>() { store_as<T>(data, index, from_int64<T>(value)); };
  if (with_type(type, store)) return;
  if (is_integer(type)) {
    store_packed(data, type, index, static_cast<uint32_t>(value));
  } else {
    store_other(data, type, index, static_cast<double>(value));
  }
}

std::vector<double> to_doubles(const TensorView& tensor) {
  std::vector<double> out(static_cast<size_t>(tensor.count()));
  const auto load = [&]<class T>() {
    for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<double>(load_as<T>(tensor.data, static_cast<int64_t>(i)));
  };
  if (with_type(tensor.type, load)) return out;
  for (size_t i = 0; i < out.size(); ++i) out[i] = load_other(tensor.data, tensor.type, static_cast<int64_t>(i));
  return out;
}

std::vector<int64_t> to_int64s(const TensorView& tensor) {
  std::vector<int64_t> out(static_cast<size_t>(tensor.count()));
  for (size_t i = 0; i < out.size(); ++i) out[i] = load_int64(tensor.data, tensor.type, static_cast<int64_t>(i));
  return out;
}

void from_doubles(std::span<const double> values, const TensorView& tensor) {
  const auto store = [&]<class T>() {
    for (size_t i = 0; i < values.size(); ++i)
      store_as<T>(tensor.data, static_cast<int64_t>(i), from_double<T>(values[i], false));
  };
  if (with_type(tensor.type, store)) return;
  for (size_t i = 0; i < values.size(); ++i) store_double(tensor.data, tensor.type, static_cast<int64_t>(i), values[i]);
}

void from_int64s(std::span<const int64_t> values, const TensorView& tensor) {
  for (size_t i = 0; i < values.size(); ++i) store_int64(tensor.data, tensor.type, static_cast<int64_t>(i), values[i]);
}

}  // namespace slipway
