// TensorView: a row-major array somewhere in memory, not owned; the same record that the C API takes.
#pragma once

#include <slipway/slipway.h>

#include <cstring>
#include <initializer_list>
#include <ranges>
#include <span>
#include <type_traits>

namespace slipway {
inline namespace v0 {

using ElementType = slipway_type;

/// The element type of a C++ type; SLIPWAY_UNDEFINED where there is none (half precision has no C++20 type: name it yourself).
template <class T>
constexpr ElementType element_type() {
  using U = std::remove_const_t<T>;
  if constexpr (std::is_same_v<U, float>) return SLIPWAY_F32;
  if constexpr (std::is_same_v<U, double>) return SLIPWAY_F64;
  if constexpr (std::is_same_v<U, bool>) return SLIPWAY_BOOL;
  if constexpr (std::is_same_v<U, const char*>) return SLIPWAY_STRING;
  if constexpr (std::is_integral_v<U> && !std::is_same_v<U, bool>) {
    constexpr ElementType kSigned[] = {SLIPWAY_I8, SLIPWAY_I16, SLIPWAY_UNDEFINED, SLIPWAY_I32};
    constexpr ElementType kUnsigned[] = {SLIPWAY_U8, SLIPWAY_U16, SLIPWAY_UNDEFINED, SLIPWAY_U32};
    if constexpr (sizeof(U) == 8) return std::is_signed_v<U> ? SLIPWAY_I64 : SLIPWAY_U64;
    if constexpr (sizeof(U) <= 4) return std::is_signed_v<U> ? kSigned[sizeof(U) - 1] : kUnsigned[sizeof(U) - 1];
  }
  return SLIPWAY_UNDEFINED;
}

class TensorView {
 public:
  /// No memory: as an output it asks for memory of the session.
  TensorView() = default;
  explicit TensorView(const slipway_tensor& tensor) : tensor_(tensor) {}
  /// `values` (a vector, array, span, ...; the caller keeps them) under a shape of at most SLIPWAY_MAX_RANK extents; their
  /// product is checked against the bytes when it is used.
  template <std::ranges::contiguous_range Values>
  TensorView(Values&& values, std::span<const int64_t> dims)
      : TensorView(std::ranges::data(values), std::ranges::size(values) * sizeof(*std::ranges::data(values)),
                   element_type<std::ranges::range_value_t<Values>>(), dims) {}
  template <std::ranges::contiguous_range Values>
  TensorView(Values&& values, std::initializer_list<int64_t> dims) : TensorView(values, std::span(dims.begin(), dims.size())) {}
  TensorView(const void* data, size_t bytes, ElementType type, std::span<const int64_t> dims) {
    tensor_.data = const_cast<void*>(data);
    tensor_.bytes = bytes;
    tensor_.type = type;
    tensor_.rank = dims.size() > SLIPWAY_MAX_RANK ? -1 : static_cast<int32_t>(dims.size());
    if (tensor_.rank > 0) std::memcpy(tensor_.dims, dims.data(), dims.size_bytes());
  }

  ElementType type() const { return tensor_.type; }
  std::span<const int64_t> dims() const { return {tensor_.dims, static_cast<size_t>(tensor_.rank < 0 ? 0 : tensor_.rank)}; }
  /// Number of elements.
  int64_t count() const {
    int64_t n = 1;
    for (const int64_t extent : dims()) n *= extent;
    return n;
  }
  size_t bytes() const { return tensor_.bytes; }
  void* data() const { return tensor_.data; }
  /// The elements; empty when the tensor is of another type.
  template <class T>
  std::span<const T> as() const {
    if (element_type<T>() != tensor_.type) return {};
    return {static_cast<const T*>(tensor_.data), static_cast<size_t>(count())};
  }
  const slipway_tensor& c() const { return tensor_; }

 private:
  slipway_tensor tensor_{};
};

}  // namespace v0
}  // namespace slipway
