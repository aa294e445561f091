// Tensor: a contiguous row-major array with shared ownership of its bytes; TensorView: the same without ownership.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/dims.hpp"
#include "base/element_type.hpp"

namespace slipway {

/// Alignment of every buffer that slipway allocates and of every tensor that a kernel sees.
constexpr size_t kAlignment = 64;

/// Bytes somewhere, row-major and contiguous; strings are std::string objects. Does not own.
struct TensorView {
  void* data = nullptr;
  ElementType type = ElementType::undefined;
  Dims dims;

  int64_t count() const { return dims.count(); }
  size_t bytes() const { return byte_size(type, dims.count()); }
  template <class T>
  T* as() const {
    return static_cast<T*>(data);
  }
};

/// Owns (or shares) its bytes. Copies share; use clone() to change one. A default-made Tensor is "no tensor".
class Tensor {
 public:
  Tensor() = default;
  /// Allocates zeroed, 64-byte aligned storage (default-made strings for ElementType::string). Throws std::bad_alloc.
  Tensor(ElementType type, const Dims& dims);
  /// Shares bytes kept alive by `owner`.
  Tensor(ElementType type, const Dims& dims, std::shared_ptr<const void> owner, const void* data)
      : type_(type), dims_(dims), owner_(std::move(owner)), data_(const_cast<void*>(data)) {}

  template <class T>
  static Tensor from(ElementType type, const Dims& dims, std::span<const T> values) {
    Tensor t(type, dims);
    T* out = static_cast<T*>(t.data());
    for (size_t i = 0; i < values.size(); ++i) out[i] = values[i];
    return t;
  }
  static Tensor scalar(float value) { return from<float>(ElementType::f32, {}, std::span(&value, 1)); }
  static Tensor scalar(int64_t value) { return from<int64_t>(ElementType::i64, {}, std::span(&value, 1)); }
  static Tensor vector(std::span<const int64_t> values) {
    return from<int64_t>(ElementType::i64, {static_cast<int64_t>(values.size())}, values);
  }

  explicit operator bool() const { return type_ != ElementType::undefined; }
  ElementType type() const { return type_; }
  const Dims& dims() const { return dims_; }
  int64_t count() const { return dims_.count(); }
  size_t bytes() const { return byte_size(type_, count()); }
  void* data() { return data_; }
  const void* data() const { return data_; }
  template <class T>
  T* as() {
    return static_cast<T*>(data_);
  }
  template <class T>
  const T* as() const {
    return static_cast<const T*>(data_);
  }
  TensorView view() const { return {data_, type_, dims_}; }
  /// The same bytes under another shape of equal count.
  Tensor reshaped(const Dims& dims) const { return Tensor(type_, dims, owner_, data_); }
  Tensor clone() const;
  /// Same type, shape and bytes (strings compared as text; NaN equals the same NaN bits).
  bool same_bytes(const Tensor& other) const;

 private:
  ElementType type_ = ElementType::undefined;
  Dims dims_;
  std::shared_ptr<const void> owner_;
  void* data_ = nullptr;
};

/// 64-byte aligned, zeroed when `zero`. Throws std::bad_alloc.
std::shared_ptr<void> allocate(size_t bytes, bool zero = true);

/// The elements of an integer or bool tensor (i64, i32, u8, ...) as int64, for axes, shapes, pads and indices.
std::vector<int64_t> to_int64s(const Tensor& tensor);

}  // namespace slipway
