#include "base/low_precision.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace slipway {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
const double kNan = std::nan("");

/// A format as its specification writes it, and the value of a pattern by that text.
template <class T, int kExponent, int kMantissa, int kBias, Specials kSpecials>
struct Spec {
  using Type = T;
  static constexpr int kBits = 1 + kExponent + kMantissa;
  static constexpr Specials kKind = kSpecials;

  static double value(uint32_t pattern) {
    const uint32_t sign = pattern >> (kBits - 1), exponent = (pattern >> kMantissa) % (1u << kExponent),
                   mantissa = pattern % (1u << kMantissa);
    const bool top = exponent == (1u << kExponent) - 1;
    if (kSpecials == Specials::ieee && top) return mantissa != 0 ? kNan : sign != 0 ? -kInf : kInf;
    if (kSpecials == Specials::fn && top && mantissa == (1u << kMantissa) - 1) return kNan;
    if (kSpecials == Specials::fnuz && sign == 1 && exponent == 0 && mantissa == 0) return kNan;
    const double fraction = static_cast<double>(mantissa) / (1u << kMantissa);
    const double magnitude =
        exponent == 0 ? std::ldexp(fraction, 1 - kBias) : std::ldexp(1 + fraction, static_cast<int>(exponent) - kBias);
    return sign != 0 ? -magnitude : magnitude;
  }
};

template <class S>
class SmallFloatTest : public testing::Test {};
using Specs = testing::Types<Spec<Half, 5, 10, 15, Specials::ieee>, Spec<BFloat16, 8, 7, 127, Specials::ieee>,
                             Spec<Float8E4M3FN, 4, 3, 7, Specials::fn>, Spec<Float8E4M3FNUZ, 4, 3, 8, Specials::fnuz>,
                             Spec<Float8E5M2, 5, 2, 15, Specials::ieee>, Spec<Float8E5M2FNUZ, 5, 2, 16, Specials::fnuz>,
                             Spec<Float4E2M1, 2, 1, 1, Specials::finite>>;
TYPED_TEST_SUITE(SmallFloatTest, Specs);

TYPED_TEST(SmallFloatTest, EveryPatternHasItsValueAndComesBack) {
  using T = typename TypeParam::Type;
  for (uint32_t pattern = 0; pattern < 1u << TypeParam::kBits; ++pattern) {
    const T x = T::from_bits(static_cast<decltype(T::bits)>(pattern));
    const double expected = TypeParam::value(pattern);
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(static_cast<double>(x))) << pattern;
      EXPECT_TRUE(std::isnan(static_cast<double>(T(static_cast<double>(x))))) << pattern;
      continue;
    }
    ASSERT_EQ(static_cast<double>(x), expected) << pattern;
    ASSERT_EQ(static_cast<float>(x), static_cast<float>(expected)) << pattern;
    ASSERT_EQ(T(expected).bits, pattern);
  }
}

TYPED_TEST(SmallFloatTest, RoundsToNearestEvenBetweenNeighbours) {
  using T = typename TypeParam::Type;
  for (uint32_t pattern = 0; pattern < T::largest().bits; ++pattern) {
    const double low = TypeParam::value(pattern), high = TypeParam::value(pattern + 1), middle = (low + high) / 2;
    const uint32_t even = pattern % 2 == 0 ? pattern : pattern + 1;
    ASSERT_EQ(T(middle).bits, even) << pattern;
    ASSERT_EQ(T(std::nextafter(middle, 0)).bits, pattern);
    ASSERT_EQ(T(std::nextafter(middle, kInf)).bits, pattern + 1);
    ASSERT_EQ(static_cast<double>(T(-middle)), -static_cast<double>(T(middle)));
  }
}

TYPED_TEST(SmallFloatTest, BeyondTheRange) {
  using T = typename TypeParam::Type;
  const auto largest = static_cast<double>(T::largest());
  for (const double huge : {largest * 2, 1e300, kInf}) {
    EXPECT_EQ(static_cast<double>(T::from(huge, true)), largest);
    EXPECT_EQ(static_cast<double>(T::from(-huge, true)), -largest);
    const auto plain = static_cast<double>(T(huge));
    switch (TypeParam::kKind) {
      case Specials::ieee:
        EXPECT_EQ(plain, kInf);
        break;
      case Specials::finite:
        EXPECT_EQ(plain, largest);
        break;
      default:
        EXPECT_TRUE(std::isnan(plain));
        break;
    }
  }
  // The last value that still rounds down to the largest: half a step above it.
  const auto step = largest - static_cast<double>(T::from_bits(static_cast<decltype(T::bits)>(T::largest().bits - 1)));
  EXPECT_EQ(static_cast<double>(T(std::nextafter(largest + step / 2, 0))), largest);
  EXPECT_EQ(static_cast<double>(T(1e-300)), 0.0);
  EXPECT_EQ(std::signbit(static_cast<double>(T(-0.0))), TypeParam::kKind != Specials::fnuz);
  EXPECT_EQ(std::isnan(static_cast<double>(T(kNan))), TypeParam::kKind != Specials::finite);
}

/// FNV-1a over the encodings of a fixed sequence of floats: compared with the same sequence through numpy and ml_dtypes 0.5.
template <class T>
uint64_t fingerprint() {
  uint64_t state = 1, hash = 14695981039346656037u;
  for (int i = 0; i < 20000; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const auto r = static_cast<uint32_t>(state >> 32);
    const uint32_t exponent = 127 - 32 + ((r >> 16) & 63);
    const uint32_t mantissa = ((r >> 22) & 1) == 0 ? (r & 0xffff) << 7 : (r & 31) << 18;
    const auto x = std::bit_cast<float>((r >> 31 << 31) | (exponent << 23) | (mantissa & 0x7fffff));
    hash = (hash ^ T(static_cast<double>(x)).bits) * 1099511628211u;
  }
  return hash;
}

TEST(LowPrecision, AgreesWithNumpyAndMlDtypes) {
  EXPECT_EQ(fingerprint<Half>(), 0x80c1c923f52a366eu);
  EXPECT_EQ(fingerprint<BFloat16>(), 0x975ee0c9ba440460u);
  EXPECT_EQ(fingerprint<Float8E4M3FN>(), 0x42555b44bb08e40cu);
  EXPECT_EQ(fingerprint<Float8E4M3FNUZ>(), 0x7bbb4c59241fdd1bu);
  EXPECT_EQ(fingerprint<Float8E5M2>(), 0xb24f02b497317a9cu);
  EXPECT_EQ(fingerprint<Float8E5M2FNUZ>(), 0x2b3aebd55987a4feu);
  EXPECT_EQ(fingerprint<Float4E2M1>(), 0xee4be540050cf82cu);
}

TEST(LowPrecision, E8M0IsAPowerOfTwo) {
  for (int pattern = 0; pattern < 255; ++pattern) {
    const auto x = Float8E8M0::from_bits(static_cast<uint8_t>(pattern));
    const double value = std::ldexp(1.0, pattern - 127);
    ASSERT_EQ(static_cast<double>(x), value);
    ASSERT_EQ(Float8E8M0(value).bits, pattern);
    if (pattern == 254) continue;
    using R = E8M0Round;
    EXPECT_EQ(Float8E8M0::from(1.25 * value, true, R::up).bits, pattern + 1);
    EXPECT_EQ(Float8E8M0::from(1.75 * value, true, R::down).bits, pattern);
    EXPECT_EQ(Float8E8M0::from(1.49 * value, true, R::nearest).bits, pattern);
    EXPECT_EQ(Float8E8M0::from(1.5 * value, true, R::nearest).bits, pattern + 1);
  }
  EXPECT_TRUE(std::isnan(static_cast<double>(Float8E8M0::from_bits(255))));
  for (const double high : {kInf, 1e300, std::ldexp(1.5, 127)}) {
    EXPECT_EQ(Float8E8M0::from(high, true).bits, 254);
    EXPECT_EQ(Float8E8M0::from(high, false).bits, 255);
  }
  for (const double low : {0.0, -0.0, 1e-300, std::ldexp(1.0, -128)}) {
    EXPECT_EQ(Float8E8M0::from(low, true).bits, 0);
    EXPECT_EQ(Float8E8M0::from(low, false).bits, 255);
  }
  EXPECT_EQ(Float8E8M0(kNan).bits, 255);
  EXPECT_EQ(Float8E8M0(-1.0).bits, 255);
}

constexpr ElementType kEveryNumeric[] = {
    ElementType::f32,      ElementType::f64,        ElementType::f16, ElementType::bf16,   ElementType::u8,
    ElementType::i8,       ElementType::u16,        ElementType::i16, ElementType::u32,    ElementType::i32,
    ElementType::u64,      ElementType::i64,        ElementType::u4,  ElementType::i4,     ElementType::u2,
    ElementType::i2,       ElementType::f4e2m1,     ElementType::c64, ElementType::f8e5m2, ElementType::f8e5m2fnuz,
    ElementType::f8e4m3fn, ElementType::f8e4m3fnuz, ElementType::c128};

TEST(Elements, StoreAndLoadLeaveNeighboursAlone) {
  for (const ElementType type : kEveryNumeric) {
    Tensor tensor(type, {9});
    for (int64_t i = 0; i < 9; ++i) store_double(tensor.data(), type, i, 1);
    store_double(tensor.data(), type, 4, 0);
    for (int64_t i = 0; i < 9; ++i) {
      EXPECT_EQ(load_double(tensor.data(), type, i), i == 4 ? 0 : 1) << name(type) << " " << i;
      EXPECT_EQ(load_int64(tensor.data(), type, i), i == 4 ? 0 : 1) << name(type) << " " << i;
    }
    const std::vector<double> all = to_doubles(tensor.view());
    Tensor copy(type, {9});
    from_doubles(all, copy.view());
    EXPECT_TRUE(copy.same_bytes(tensor)) << name(type);
    Tensor again(type, {9});
    from_int64s(to_int64s(tensor), again.view());
    EXPECT_TRUE(again.same_bytes(tensor)) << name(type);
  }
}

TEST(Elements, PackedTypesHaveLowBitsFirst) {
  const uint8_t bytes[] = {0x81, 0x7f};
  EXPECT_EQ(load_int64(bytes, ElementType::u4, 0), 1);
  EXPECT_EQ(load_int64(bytes, ElementType::i4, 1), -8);
  EXPECT_EQ(load_int64(bytes, ElementType::i4, 2), -1);
  EXPECT_EQ(load_int64(bytes, ElementType::u2, 3), 2);
  EXPECT_EQ(load_int64(bytes, ElementType::i2, 3), -2);
  EXPECT_EQ(load_double(bytes, ElementType::f4e2m1, 3), 6.0);
}

TEST(Elements, DoublesToIntegersCutAndSaturate) {
  struct Case {
    ElementType type;
    double least, most;
  };
  for (const Case& c : {Case{ElementType::i8, -128, 127},
                        {ElementType::u8, 0, 255},
                        {ElementType::i4, -8, 7},
                        {ElementType::u4, 0, 15},
                        {ElementType::i2, -2, 1},
                        {ElementType::u2, 0, 3},
                        {ElementType::i32, -2147483648.0, 2147483647.0},
                        {ElementType::u32, 0, 4294967295.0}}) {
    Tensor t(c.type, {1});
    const auto stored = [&](double value) {
      store_double(t.data(), c.type, 0, value);
      return load_double(t.data(), c.type, 0);
    };
    EXPECT_EQ(stored(1e30), c.most) << name(c.type);
    EXPECT_EQ(stored(-kInf), c.least) << name(c.type);
    EXPECT_EQ(stored(c.most + 0.5), c.most);
    EXPECT_EQ(stored(0.99), 0);
    EXPECT_EQ(stored(-0.99), 0);
    EXPECT_EQ(stored(kNan), 0);
  }
  int64_t wide = 0;
  store_double(&wide, ElementType::i64, 0, 9.3e18);
  EXPECT_EQ(wide, INT64_MAX);
  store_double(&wide, ElementType::i64, 0, -9.3e18);
  EXPECT_EQ(wide, INT64_MIN);
  uint64_t unsigned_wide = 0;
  store_double(&unsigned_wide, ElementType::u64, 0, 1e20);
  EXPECT_EQ(unsigned_wide, UINT64_MAX);
}

TEST(Elements, IntegersWrap) {
  uint8_t byte = 0;
  store_int64(&byte, ElementType::u8, 0, 300);
  EXPECT_EQ(byte, 44);
  store_int64(&byte, ElementType::i8, 0, 200);
  EXPECT_EQ(load_int64(&byte, ElementType::i8, 0), -56);
  store_int64(&byte, ElementType::i4, 0, 9);
  EXPECT_EQ(load_int64(&byte, ElementType::i4, 0), -7);
  uint64_t wide = UINT64_MAX;
  EXPECT_EQ(load_int64(&wide, ElementType::u64, 0), -1);
  EXPECT_EQ(load_double(&wide, ElementType::u64, 0), 18446744073709551616.0);
  store_int64(&byte, ElementType::boolean, 0, 256);
  EXPECT_EQ(byte, 1);
}

TEST(Elements, BoolsAndMisalignedDataAreSafe) {
  alignas(8) unsigned char bytes[17] = {};
  bytes[0] = 7;  // not a valid C++ bool
  EXPECT_EQ(load_double(bytes, ElementType::boolean, 0), 1);
  store_double(bytes + 1, ElementType::f64, 1, 2.5);
  EXPECT_EQ(load_double(bytes + 1, ElementType::f64, 1), 2.5);
  store_double(bytes, ElementType::boolean, 0, kNan);
  EXPECT_EQ(bytes[0], 1);
}

TEST(Elements, OnlyFloat8Saturates) {
  Tensor t(ElementType::f8e4m3fn, {1}), half(ElementType::f16, {1});
  store_saturated(t.data(), t.type(), 0, 1e9);
  store_saturated(half.data(), half.type(), 0, 1e9);
  EXPECT_EQ(load_double(t.data(), t.type(), 0), 448);
  EXPECT_EQ(load_double(half.data(), half.type(), 0), kInf);
  store_double(t.data(), t.type(), 0, 1e9);
  EXPECT_TRUE(std::isnan(load_double(t.data(), t.type(), 0)));
}

}  // namespace
}  // namespace slipway
