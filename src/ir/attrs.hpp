// Attribute reflection: an op declares a plain struct and lists its fields once; reading ONNX, text, equality, hashing and the
// engine file all come from that list.
//
//   struct GatherAttrs {
//     int64_t axis = 0;
//     bool operator==(const GatherAttrs&) const = default;
//     static constexpr auto fields() { return std::tuple{ir::field("axis", &GatherAttrs::axis)}; }
//   };
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <variant>
#include <vector>

#include "base/error.hpp"
#include "base/tensor.hpp"

namespace slipway::ir {

class Graph;
/// A sub-graph held by an attribute; immutable and shared between copies of a node.
using GraphRef = std::shared_ptr<const Graph>;

/// One attribute as files and text carry it.
using AttrValue = std::variant<std::monostate, int64_t, float, std::string, std::vector<int64_t>, std::vector<float>,
                               std::vector<std::string>, Tensor, GraphRef, std::vector<Tensor>, std::vector<GraphRef>>;
/// "int", "floats", "graph", ... for error sentences.
std::string_view kind_name(const AttrValue& value);
/// Equal in kind and content; tensors by bytes, graphs by text.
bool equal(const AttrValue& a, const AttrValue& b);

template <class S, class T>
struct Field {
  std::string_view name;
  T S::*member;
  bool required = false;
};
template <class S, class T>
constexpr Field<S, T> field(std::string_view name, T S::*member, bool required = false) {
  return {name, member, required};
}

/// For ops without attributes.
struct NoAttrs {
  bool operator==(const NoAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{}; }
};

/// A visited field: its name, its present value, and whether the value equals the default.
struct AttrEntry {
  std::string_view name;
  AttrValue value;
  bool is_default = false;
};

/// What is known of an attribute struct's type; one static object per type.
struct AttrType {
  std::shared_ptr<void> (*make)();
  std::shared_ptr<void> (*copy)(const void*);
  /// Every field in declaration order.
  std::vector<AttrEntry> (*entries)(const void*);
  /// Sets one field; invalid_model when there is no such field or the kind does not fit (ints convert to bool and float).
  Status (*set)(void*, std::string_view name, const AttrValue& value);
  std::vector<std::string_view> (*required)();
};

/// A value-semantic holder of any attribute struct. Copies share until changed.
class Attrs {
 public:
  Attrs();  // NoAttrs
  template <class S>
  requires(!std::is_same_v<std::decay_t<S>, Attrs>) Attrs(S value);
  explicit Attrs(const AttrType* type) : type_(type), data_(type->make()) {}

  const AttrType* type() const { return type_; }
  template <class S>
  const S& as() const;  ///< Precondition: the held struct is S.
  template <class S>
  const S* if_is() const;
  std::vector<AttrEntry> entries() const { return type_->entries(data_.get()); }
  Status set(std::string_view name, const AttrValue& value);
  bool operator==(const Attrs& other) const;

 private:
  const AttrType* type_;
  std::shared_ptr<void> data_;
};

// ---- implementation of the templates ----------------------------------------------------------------------------------------

namespace detail {
Status wrong_kind(std::string_view name, const AttrValue& value, std::string_view expected);
Status no_such_field(std::string_view name);

template <class T>
struct FieldCodec {  // int64, float, string, vectors, Tensor, GraphRef: held as they are
  static AttrValue get(const T& v) { return AttrValue(v); }
  static bool set(T& out, const AttrValue& v) {
    const T* held = std::get_if<T>(&v);
    if (held != nullptr) out = *held;
    return held != nullptr;
  }
};
template <>
struct FieldCodec<float> {
  static AttrValue get(float v) { return AttrValue(v); }
  static bool set(float& out, const AttrValue& v) {
    if (const float* f = std::get_if<float>(&v)) return out = *f, true;
    if (const int64_t* i = std::get_if<int64_t>(&v)) return out = static_cast<float>(*i), true;
    return false;
  }
};
template <>
struct FieldCodec<bool> {
  static AttrValue get(bool v) { return AttrValue(static_cast<int64_t>(v)); }
  static bool set(bool& out, const AttrValue& v) {
    const int64_t* i = std::get_if<int64_t>(&v);
    if (i != nullptr) out = *i != 0;
    return i != nullptr;
  }
};
template <>
struct FieldCodec<ElementType> {
  static AttrValue get(ElementType v) { return AttrValue(static_cast<int64_t>(v)); }
  static bool set(ElementType& out, const AttrValue& v) {
    const int64_t* i = std::get_if<int64_t>(&v);
    if (i == nullptr || *i < 0 || *i >= kElementTypeCount) return false;
    out = static_cast<ElementType>(*i);
    return true;
  }
};
template <class T>
requires std::is_enum_v<T> &&(!std::is_same_v<T, ElementType>)struct FieldCodec<T> {  // other enums travel as their number
  static AttrValue get(T v) { return AttrValue(static_cast<int64_t>(v)); }
  static bool set(T& out, const AttrValue& v) {
    const int64_t* i = std::get_if<int64_t>(&v);
    if (i != nullptr) out = static_cast<T>(*i);
    return i != nullptr;
  }
};
template <class T>
struct FieldCodec<std::optional<T>> {
  static AttrValue get(const std::optional<T>& v) { return v ? FieldCodec<T>::get(*v) : AttrValue(); }
  static bool set(std::optional<T>& out, const AttrValue& v) {
    if (v.index() == 0) return out.reset(), true;
    T inner{};
    if (!FieldCodec<T>::set(inner, v)) return false;
    out = std::move(inner);
    return true;
  }
};

template <class S>
const AttrType* attr_type() {
  static constexpr AttrType kType = {
      []() -> std::shared_ptr<void> { return std::make_shared<S>(); },
      [](const void* p) -> std::shared_ptr<void> { return std::make_shared<S>(*static_cast<const S*>(p)); },
      [](const void* p) {
        const S& s = *static_cast<const S*>(p);
        std::vector<AttrEntry> out;
        std::apply(
            [&](const auto&... f) {
              (out.push_back({f.name, FieldCodec<std::decay_t<decltype(s.*(f.member))>>::get(s.*(f.member)), false}), ...);
            },
            S::fields());
        const S fresh{};
        size_t i = 0;
        std::apply(
            [&](const auto&... f) {
              ((out[i].is_default =
                    equal(out[i].value, FieldCodec<std::decay_t<decltype(fresh.*(f.member))>>::get(fresh.*(f.member))),
                ++i),
               ...);
            },
            S::fields());
        return out;
      },
      [](void* p, std::string_view name, const AttrValue& value) -> Status {
        S& s = *static_cast<S*>(p);
        bool found = false, fits = false;
        std::apply(
            [&](const auto&... f) {
              ((f.name == name
                    ? (found = true, fits = FieldCodec<std::decay_t<decltype(s.*(f.member))>>::set(s.*(f.member), value))
                    : false),
               ...);
            },
            S::fields());
        if (!found) return no_such_field(name);
        if (!fits) return wrong_kind(name, value, "another kind");
        return {};
      },
      []() {
        std::vector<std::string_view> out;
        std::apply([&](const auto&... f) { ((f.required ? out.push_back(f.name) : void()), ...); }, S::fields());
        return out;
      },
  };
  return &kType;
}
}  // namespace detail

template <class S>
const AttrType* attr_type() {
  return detail::attr_type<S>();
}

template <class S>
requires(!std::is_same_v<std::decay_t<S>, Attrs>) Attrs::Attrs(S value)
    : type_(attr_type<S>()), data_(std::make_shared<S>(std::move(value))) {}

template <class S>
const S& Attrs::as() const {
  return *static_cast<const S*>(data_.get());
}
template <class S>
const S* Attrs::if_is() const {
  return type_ == attr_type<S>() ? static_cast<const S*>(data_.get()) : nullptr;
}

}  // namespace slipway::ir
