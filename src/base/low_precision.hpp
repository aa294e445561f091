// Numbers below 32 bits - half, bfloat16, the float8 family, float4, packed 4- and 2-bit integers - and generic access to the
// elements of a tensor of any numeric type. This is what reference kernels and graph rewrites use; fast kernels have their own.
#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include "base/element_type.hpp"
#include "base/tensor.hpp"

namespace slipway {

/// What the largest exponent field of a small float means.
enum class Specials : uint8_t {
  ieee,    ///< infinities and NaN
  fn,      ///< no infinity; NaN only where all bits but the sign are set
  fnuz,    ///< no infinity, no negative zero: its pattern is the one NaN
  finite,  ///< neither infinity nor NaN
};

/// A float of 1 + kExponent + kMantissa bits. Conversion rounds once, to nearest even.
template <class Bits, int kExponent, int kMantissa, int kBias, Specials kSpecials>
class SmallFloat {
 public:
  Bits bits = 0;

  constexpr SmallFloat() = default;
  /// Beyond the largest finite value: that value when `saturate` (infinities too), else infinity, or NaN where there is none.
  /// `finite` formats always saturate, and have 0 for NaN.
  static constexpr SmallFloat from(double value, bool saturate = false) { return from_bits(encode(value, saturate)); }
  explicit constexpr SmallFloat(double value) : bits(encode(value, false)) {}
  static constexpr SmallFloat from_bits(Bits pattern) {
    SmallFloat out;
    out.bits = pattern;
    return out;
  }
  static constexpr SmallFloat largest() { return from_bits(static_cast<Bits>(kLargest)); }

  /// Exact.
  explicit constexpr operator double() const {
    const uint32_t magnitude = bits & (kSign - 1u), field = magnitude >> kMantissa,
                   fraction = magnitude & ((1u << kMantissa) - 1);
    const double sign = (bits & kSign) != 0 ? -1.0 : 1.0;
    if (kSpecials == Specials::fnuz && bits == kSign) return std::bit_cast<double>(kDoubleNan);
    if (magnitude > kLargest) {
      const bool infinite = kSpecials == Specials::ieee && fraction == 0;
      return sign * std::bit_cast<double>(infinite ? kDoubleInfinity : kDoubleNan);
    }
    if (field == 0) return sign * static_cast<double>(fraction) * power_of_two(1 - kBias - kMantissa);
    return sign * static_cast<double>(fraction | (1u << kMantissa)) * power_of_two(static_cast<int>(field) - kBias - kMantissa);
  }
  explicit constexpr operator float() const { return static_cast<float>(static_cast<double>(*this)); }

 private:
  static constexpr uint32_t kSign = 1u << (kExponent + kMantissa);
  static constexpr uint32_t kInfinity = ((1u << kExponent) - 1) << kMantissa;  // of an ieee format
  static constexpr uint32_t kLargest = kSpecials == Specials::ieee ? kInfinity - 1
                                       : kSpecials == Specials::fn ? kSign - 2
                                                                   : kSign - 1;
  static constexpr uint32_t kNan = kSpecials == Specials::ieee   ? kInfinity | (1u << (kMantissa - 1))
                                   : kSpecials == Specials::fn   ? kSign - 1
                                   : kSpecials == Specials::fnuz ? kSign
                                                                 : 0;
  static constexpr uint64_t kDoubleInfinity = 0x7ff0000000000000u, kDoubleNan = 0x7ff8000000000000u;

  static constexpr double power_of_two(int exponent) {
    return std::bit_cast<double>(static_cast<uint64_t>(exponent + 1023) << 52);
  }

  static constexpr Bits encode(double value, bool saturate) {
    const auto wide = std::bit_cast<uint64_t>(value);
    const uint64_t magnitude = wide & (~uint64_t{0} >> 1);
    const uint32_t sign = (wide >> 63) != 0 ? kSign : 0;
    if (magnitude > kDoubleInfinity)
      return static_cast<Bits>(kSpecials == Specials::fnuz || kSpecials == Specials::finite ? kNan : sign | kNan);
    uint64_t code = kLargest + 1;
    if (magnitude != kDoubleInfinity) code = round(magnitude);
    if (code > kLargest) {
      if (saturate || kSpecials == Specials::finite) return static_cast<Bits>(sign | kLargest);
      if (kSpecials == Specials::ieee) return static_cast<Bits>(sign | kInfinity);
      return static_cast<Bits>(kSpecials == Specials::fnuz ? kNan : sign | kNan);
    }
    if (kSpecials == Specials::fnuz && code == 0) return 0;
    return static_cast<Bits>(sign | code);
  }

  /// The pattern of a finite magnitude with unbounded exponent field: a carry out of the fraction moves to the next exponent.
  static constexpr uint64_t round(uint64_t magnitude) {
    const int field = static_cast<int>(magnitude >> 52) - 1023 + kBias;
    uint64_t fraction = magnitude & ((uint64_t{1} << 52) - 1);
    int shift = 52 - kMantissa;
    uint64_t base = 0;
    if (field >= 1) {
      base = static_cast<uint64_t>(field) << kMantissa;
    } else {
      fraction |= uint64_t{1} << 52;
      shift += 1 - field;
      if (shift > 54) return 0;
    }
    const uint64_t kept = fraction >> shift, rest = fraction & ((uint64_t{1} << shift) - 1), half = uint64_t{1} << (shift - 1);
    const uint64_t code = base + kept;
    return code + (rest > half || (rest == half && (code & 1) != 0) ? 1 : 0);
  }
};

using Half = SmallFloat<uint16_t, 5, 10, 15, Specials::ieee>;
using BFloat16 = SmallFloat<uint16_t, 8, 7, 127, Specials::ieee>;
using Float8E4M3FN = SmallFloat<uint8_t, 4, 3, 7, Specials::fn>;
using Float8E4M3FNUZ = SmallFloat<uint8_t, 4, 3, 8, Specials::fnuz>;
using Float8E5M2 = SmallFloat<uint8_t, 5, 2, 15, Specials::ieee>;
using Float8E5M2FNUZ = SmallFloat<uint8_t, 5, 2, 16, Specials::fnuz>;
/// Only the low four bits are used; packed two to a byte in tensors.
using Float4E2M1 = SmallFloat<uint8_t, 2, 1, 1, Specials::finite>;

enum class E8M0Round : uint8_t { up, down, nearest };

/// A power of two, 2^(bits - 127), 255 being NaN: no sign, no zero.
struct Float8E8M0 {
  uint8_t bits = 0;

  constexpr Float8E8M0() = default;
  explicit constexpr Float8E8M0(double value) : Float8E8M0(from(value)) {}
  /// As ONNX's Cast: `up` is away from zero, `nearest` has ties up. Too large, infinite, too small or zero: the nearest end of
  /// the range when `saturate`, else NaN. Negative: NaN.
  static constexpr Float8E8M0 from(double value, bool saturate = true, E8M0Round round = E8M0Round::up) {
    if (value < 0 || value != value) return from_bits(255);
    const uint64_t wide = std::bit_cast<uint64_t>(value) & (~uint64_t{0} >> 1);
    int field = static_cast<int>(wide >> 52) - 1023 + 127;
    const uint64_t fraction = wide & ((uint64_t{1} << 52) - 1);
    if (field < 0) return from_bits(saturate ? 0 : 255);
    const bool step = round == E8M0Round::up ? fraction != 0 : round == E8M0Round::nearest && fraction >= (uint64_t{1} << 51);
    field += step ? 1 : 0;
    if (field > 254) return from_bits(saturate ? 254 : 255);
    return from_bits(static_cast<uint8_t>(field));
  }
  static constexpr Float8E8M0 from_bits(uint8_t pattern) {
    Float8E8M0 out;
    out.bits = pattern;
    return out;
  }
  explicit constexpr operator double() const {
    if (bits == 255) return std::bit_cast<double>(uint64_t{0x7ff8000000000000u});
    return std::bit_cast<double>(static_cast<uint64_t>(bits + 1023 - 127) << 52);
  }
  explicit constexpr operator float() const { return static_cast<float>(static_cast<double>(*this)); }
};

/// Calls `f.template operator()<T>()` with the C++ type of a byte-sized or wider real type (bool is bool). False, and no call,
/// for packed, complex, string and undefined types.
template <class F>
constexpr bool with_type(ElementType type, F&& f) {
  switch (type) {
    case ElementType::f32:
      f.template operator()<float>();
      return true;
    case ElementType::f64:
      f.template operator()<double>();
      return true;
    case ElementType::f16:
      f.template operator()<Half>();
      return true;
    case ElementType::bf16:
      f.template operator()<BFloat16>();
      return true;
    case ElementType::u8:
      f.template operator()<uint8_t>();
      return true;
    case ElementType::i8:
      f.template operator()<int8_t>();
      return true;
    case ElementType::u16:
      f.template operator()<uint16_t>();
      return true;
    case ElementType::i16:
      f.template operator()<int16_t>();
      return true;
    case ElementType::u32:
      f.template operator()<uint32_t>();
      return true;
    case ElementType::i32:
      f.template operator()<int32_t>();
      return true;
    case ElementType::u64:
      f.template operator()<uint64_t>();
      return true;
    case ElementType::i64:
      f.template operator()<int64_t>();
      return true;
    case ElementType::boolean:
      f.template operator()<bool>();
      return true;
    case ElementType::f8e4m3fn:
      f.template operator()<Float8E4M3FN>();
      return true;
    case ElementType::f8e4m3fnuz:
      f.template operator()<Float8E4M3FNUZ>();
      return true;
    case ElementType::f8e5m2:
      f.template operator()<Float8E5M2>();
      return true;
    case ElementType::f8e5m2fnuz:
      f.template operator()<Float8E5M2FNUZ>();
      return true;
    case ElementType::f8e8m0:
      f.template operator()<Float8E8M0>();
      return true;
    default:
      return false;
  }
}

/// The elements of packed types lie low bits first. `data` needs no alignment.
/// Element `index` as a number: exact but for 64-bit integers beyond 2^53; complex: the real part; string, undefined: 0.
double load_double(const void* data, ElementType type, int64_t index);
/// Stores a number. To floats: rounded once to nearest even; out of range gives infinity, or NaN where the type has none (float4
/// and f8e8m0 saturate). To integers: the fraction is cut, out of range saturates, NaN gives 0. To bool: anything but 0 is true.
void store_double(void* data, ElementType type, int64_t index, double value);
/// As store_double, but the float8 types take their largest finite value when out of range (ONNX's saturate=1).
void store_saturated(void* data, ElementType type, int64_t index, double value);
/// Element `index` as an integer: u64 by its bits, floats cut and saturated as by store_double.
int64_t load_int64(const void* data, ElementType type, int64_t index);
/// Stores an integer: to integers the low bits (wrapping), to bool value != 0, to floats rounded.
void store_int64(void* data, ElementType type, int64_t index, int64_t value);

/// All elements, by the rules above.
std::vector<double> to_doubles(const TensorView& tensor);
std::vector<int64_t> to_int64s(const TensorView& tensor);
/// Precondition: values.size() == tensor.count().
void from_doubles(std::span<const double> values, const TensorView& tensor);
void from_int64s(std::span<const int64_t> values, const TensorView& tensor);

}  // namespace slipway
