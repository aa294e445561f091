// Element types of tensors. Values equal ONNX's TensorProto.DataType, so files and text agree on one numbering.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace slipway {

enum class ElementType : uint8_t {
  undefined = 0,
  f32 = 1,
  u8 = 2,
  i8 = 3,
  u16 = 4,
  i16 = 5,
  i32 = 6,
  i64 = 7,
  string = 8,
  boolean = 9,
  f16 = 10,
  f64 = 11,
  u32 = 12,
  u64 = 13,
  c64 = 14,
  c128 = 15,
  bf16 = 16,
  f8e4m3fn = 17,
  f8e4m3fnuz = 18,
  f8e5m2 = 19,
  f8e5m2fnuz = 20,
  u4 = 21,
  i4 = 22,
  f4e2m1 = 23,
  f8e8m0 = 24,
  u2 = 25,
  i2 = 26,
};
constexpr int kElementTypeCount = 27;

/// A set of element types as a bit mask, bit = enum value.
using TypeSet = uint32_t;
constexpr TypeSet bit(ElementType t) {
  return TypeSet{1} << static_cast<unsigned>(t);
}
template <class... Ts>
constexpr TypeSet types(Ts... t) {
  return (bit(t) | ... | TypeSet{0});
}
constexpr bool contains(TypeSet set, ElementType t) {
  return (set & bit(t)) != 0;
}

namespace type_sets {
using E = ElementType;
constexpr TypeSet kFloat = types(E::f16, E::f32, E::f64, E::bf16);
constexpr TypeSet kFloat8 = types(E::f8e4m3fn, E::f8e4m3fnuz, E::f8e5m2, E::f8e5m2fnuz, E::f8e8m0);
constexpr TypeSet kSigned = types(E::i8, E::i16, E::i32, E::i64);
constexpr TypeSet kUnsigned = types(E::u8, E::u16, E::u32, E::u64);
constexpr TypeSet kInteger = kSigned | kUnsigned;
constexpr TypeSet kSubByte = types(E::u4, E::i4, E::f4e2m1, E::u2, E::i2);
constexpr TypeSet kBool = types(E::boolean);
constexpr TypeSet kString = types(E::string);
constexpr TypeSet kComplex = types(E::c64, E::c128);
constexpr TypeSet kNumeric = kFloat | kInteger;
constexpr TypeSet kIndex = types(E::i32, E::i64);
constexpr TypeSet kAll = kNumeric | kFloat8 | kSubByte | kBool | kString | kComplex;
}  // namespace type_sets

/// Bits of one element: 2, 4, 8, ..., 128; 0 for string and undefined.
int bits(ElementType t);
/// Bytes of a contiguous run of `count` elements (2- and 4-bit types are packed, low bits first); 0 for string.
size_t byte_size(ElementType t, int64_t count);
/// Short name: "f32", "i64", "bf16", "string", "bool", ...
std::string_view name(ElementType t);
/// ONNX's spelling: "FLOAT", "INT64", ...
std::string_view onnx_name(ElementType t);
std::optional<ElementType> parse_element_type(std::string_view short_name);

constexpr bool is_float(ElementType t) {
  return contains(type_sets::kFloat | type_sets::kFloat8 | bit(ElementType::f4e2m1), t);
}
constexpr bool is_signed_integer(ElementType t) {
  return contains(type_sets::kSigned | types(ElementType::i4, ElementType::i2), t);
}
constexpr bool is_unsigned_integer(ElementType t) {
  return contains(type_sets::kUnsigned | types(ElementType::u4, ElementType::u2), t);
}
constexpr bool is_integer(ElementType t) {
  return is_signed_integer(t) || is_unsigned_integer(t);
}

}  // namespace slipway
