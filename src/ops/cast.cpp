// Cast, CastLike, BitCast.
#include "ops/cast.hpp"

#include <charconv>
#include <cmath>

#include "base/low_precision.hpp"
#include "ops/elementwise.hpp"
#include "ops/moves.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

constexpr TypeSet kCastTypes = kAll & ~kComplex;

struct Conversion {
  bool saturate;
  E8M0Round round;
};

Result<Conversion> conversion(bool saturate, std::string_view round_mode) {
  if (round_mode == "up") return Conversion{saturate, E8M0Round::up};
  if (round_mode == "down") return Conversion{saturate, E8M0Round::down};
  if (round_mode == "nearest") return Conversion{saturate, E8M0Round::nearest};
  return fail(ErrorCode::invalid_model, "round_mode '{}' is not one of up, down, nearest", round_mode);
}

/// Out of range: floats as `how` says, packed integers keep the low bits, wider integers saturate.
void store_real(Tensor& y, int64_t i, double value, Conversion how) {
  if (contains(kSubByte, y.type()) && !is_float(y.type())) {
    store<int64_t>(y, i, load_int64(&value, ElementType::f64, 0));
  } else if (y.type() == ElementType::f8e8m0) {
    y.as<uint8_t>()[i] = Float8E8M0::from(value, how.saturate, how.round).bits;
  } else if (how.saturate && contains(kFloat8, y.type())) {
    store_saturated(y.data(), y.type(), i, value);
  } else {
    store_double(y.data(), y.type(), i, value);
  }
}

/// f32 and f64 are rounded from the integer itself, not from a double between.
template <class T>
void store_integer(Tensor& y, int64_t i, T value, Conversion how) {
  if (y.type() == ElementType::f32) {
    y.as<float>()[i] = static_cast<float>(value);
  } else if (is_float(y.type())) {
    store_real(y, i, static_cast<double>(value), how);
  } else {
    store<T>(y, i, value);
  }
}

/// A decimal number, or inf and nan in any case, with a sign; blanks around it are skipped.
Result<double> parse_number(std::string_view text) {
  const std::string_view whole = text;
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc::result_out_of_range) {  // from_chars leaves the value untouched
    const bool tiny = text.find("e-") != text.npos || text.find("E-") != text.npos;
    value = std::copysign(tiny ? 0.0 : HUGE_VAL, text[0] == '-' ? -1.0 : 1.0);
  } else if (error != std::errc() || end != text.data() + text.size()) {
    return fail(ErrorCode::data_fault, "the string '{}' is not a number", whole.substr(0, 40));
  }
  return value;
}

Status from_string(Tensor& y, int64_t i, const std::string& text, Conversion how) {
  if (is_integer(y.type())) {
    const size_t plus = !text.empty() && text[0] == '+' ? 1 : 0;
    const char *first = text.data() + plus, *last = text.data() + text.size();
    if (int64_t value = 0; std::from_chars(first, last, value).ptr == last && first != last) return store(y, i, value), Status();
    if (uint64_t value = 0; std::from_chars(first, last, value).ptr == last && first != last) return store(y, i, value), Status();
  }
  store_real(y, i, TRY(parse_number(text)), how);
  return {};
}

std::string real_text(ElementType type, double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "INF" : "-INF";
  return type == ElementType::f64 ? fmt::format("{}", value) : fmt::format("{}", static_cast<float>(value));
}

std::string to_text(const Tensor& x, int64_t i) {
  return in_domain(x.type(), [&]<class T>(T) {
    if constexpr (std::is_same_v<T, double>) {
      return real_text(x.type(), load<T>(x, i));
    } else {
      return std::to_string(load<T>(x, i));
    }
  });
}

Status convert(const Tensor& x, Tensor& y, Conversion how) {
  if (x.type() == y.type()) {
    copy_run(y, 0, x, 0, x.count());
    return {};
  }
  for (int64_t i = 0; i < x.count(); ++i) {
    if (x.type() == ElementType::string) {
      TRY(from_string(y, i, x.as<std::string>()[i], how));
    } else if (y.type() == ElementType::string) {
      y.as<std::string>()[i] = to_text(x, i);
    } else if (is_float(x.type())) {
      store_real(y, i, load<double>(x, i), how);
    } else if (is_signed_integer(x.type())) {
      store_integer(y, i, load<int64_t>(x, i), how);
    } else {
      store_integer(y, i, load<uint64_t>(x, i), how);
    }
  }
  return {};
}

Status check_target(ElementType to) {
  if (contains(kCastTypes, to)) return {};
  return fail(ErrorCode::invalid_model, "the target type {} cannot be cast to", name(to));
}

Status infer_cast(InferContext& c) {
  const auto& attrs = c.attrs<CastAttrs>();
  TRY(conversion(attrs.saturate, attrs.round_mode));
  TRY(check_target(attrs.to));
  return infer_like_input(c, attrs.to);
}

Status run_cast(RefContext& c) {
  const auto& attrs = c.attrs<CastAttrs>();
  Tensor y = c.out(0, attrs.to, TRY(actual_dims(c)));
  return convert(c.in(0), y, TRY(conversion(attrs.saturate, attrs.round_mode)));
}

Status infer_cast_like(InferContext& c) {
  const auto& attrs = c.attrs<CastLikeAttrs>();
  TRY(conversion(attrs.saturate, attrs.round_mode));
  const Shape* shape = c.shape(0);
  c.set(0, c.type(1), shape == nullptr ? std::nullopt : std::optional<Shape>(*shape));
  return {};
}

/// Version 1 wrote the type as a word.
Status upgrade_cast(OnnxNode& node) {
  if (node.version >= 6) return {};
  const std::string word = node.take_string("to", "");
  for (int i = 1; i < kElementTypeCount; ++i) {
    if (word == onnx_name(static_cast<ElementType>(i))) node.attrs["to"] = static_cast<int64_t>(i);
  }
  if (node.has("to")) return {};
  return fail(ErrorCode::invalid_model, "'{}' is not the name of an element type", word);
}

Status run_cast_like(RefContext& c) {
  const auto& attrs = c.attrs<CastLikeAttrs>();
  Tensor y = c.out(0, c.in(1).type(), TRY(actual_dims(c)));
  return convert(c.in(0), y, TRY(conversion(attrs.saturate, attrs.round_mode)));
}

Status infer_bit_cast(InferContext& c) {
  const ElementType to = c.attrs<BitCastAttrs>().to;
  if (bits(to) == 0 || (c.type(0) != ElementType::undefined && bits(c.type(0)) != bits(to))) {
    return fail(ErrorCode::invalid_model, "the bits of {} cannot be read as {}: both must be of equal width", name(c.type(0)),
                name(to));
  }
  return infer_like_input(c, to);
}

Status run_bit_cast(RefContext& c) {
  const Tensor& x = c.in(0);
  Tensor y = c.out(0, c.attrs<BitCastAttrs>().to, TRY(actual_dims(c)));
  if (x.bytes() != 0) std::memcpy(y.data(), x.data(), x.bytes());
  return {};
}

using sample::counting;
using sample::floats;
using sample::numbers;
using sample::strings;

std::vector<Sample> cast_samples() {
  using E = ElementType;
  const Tensor reals = floats({2, 4}, {0, -1.75, 2.5, 1000.25, -0.0, 65504, 1e-6, 3});
  std::vector<Sample> out;
  for (const E to : {E::f16, E::bf16, E::f64, E::i32, E::boolean, E::f8e4m3fn, E::f8e5m2fnuz, E::f4e2m1, E::string}) {
    out.push_back({"f32_to_" + std::string(name(to)), CastAttrs{to}, {{reals}}});
  }
  out.push_back({"f32_to_u8", CastAttrs{E::u8}, {{floats({4}, {0, 1.9, 255, 128})}}});
  out.push_back({"unsaturated", CastAttrs{E::f8e4m3fn, false}, {{reals}}});
  out.push_back({"e8m0_nearest", CastAttrs{E::f8e8m0, true, "nearest"}, {{floats({4}, {1, 1.5, 3.1, 1e-3})}}});
  out.push_back({"i64_to_i8_wraps", CastAttrs{E::i8}, {{numbers(E::i64, {3}, {200, -1, 70000})}}});
  out.push_back({"i64_to_f32", CastAttrs{E::f32}, {{numbers(E::i64, {3}, {16777217, -1, 0})}}});
  out.push_back({"i32_to_i64", CastAttrs{E::i64}, {{counting(E::i32, {5}, -2)}}});
  out.push_back({"bool_to_f32", CastAttrs{E::f32}, {{counting(E::boolean, {3})}}});
  out.push_back({"u4_to_u8", CastAttrs{E::u8}, {{counting(E::u4, {3, 3})}}});
  out.push_back({"f16_to_f32", CastAttrs{E::f32}, {{counting(E::f16, {9}, -4)}}});
  out.push_back({"string_to_f32", CastAttrs{E::f32}, {{strings({4}, {"3.5", "1e-5", "+INF", "-7"})}}});
  out.push_back({"empty", CastAttrs{E::i64}, {{counting({0, 2})}}});
  return out;
}

std::vector<Sample> cast_like_samples() {
  using E = ElementType;
  return {{"f32_like_f16", CastLikeAttrs{}, {{counting({2, 2})}, {counting(E::f16, {1})}}},
          {"f32_like_i64", CastLikeAttrs{}, {{floats({3}, {-1.5, 2.5, 0})}, {counting(E::i64, {1})}}},
          {"i32_like_bool", CastLikeAttrs{}, {{counting(E::i32, {3})}, {counting(E::boolean, {0})}}}};
}

std::vector<Sample> bit_cast_samples() {
  using E = ElementType;
  return {{"f32_as_i32", BitCastAttrs{E::i32}, {{counting({2, 2})}}},
          {"u16_as_f16", BitCastAttrs{E::f16}, {{counting(E::u16, {3}, 0x3c00)}}},
          {"i4_as_u4", BitCastAttrs{E::u4}, {{counting(E::i4, {5}, -3)}}}};
}

}  // namespace

Result<Tensor> cast_tensor(const Tensor& x, ElementType to) {
  Tensor y(to, x.dims());
  TRY(convert(x, y, {true, E8M0Round::up}));
  return y;
}

OpFamily cast() {
  return {Op("Cast", {1, 6, 9, 13, 19, 21, 23, 24, 25, 28})
              .attrs<CastAttrs>()
              .in("input", kCastTypes, 'X')
              .out("output", kCastTypes, 'Y')
              .flag(ir::OpInfo::kElementwise)
              .infer(infer_cast)
              .reference(run_cast)
              .samples(cast_samples)
              .upgrade(upgrade_cast)
              .doc("Elements converted to another type."),
          Op("CastLike", {15, 19, 21, 23, 24, 25})
              .attrs<CastLikeAttrs>()
              .in("input", kCastTypes, 'X')
              .in("target_type", kCastTypes, 'Y')
              .out("output", kCastTypes, 'Y')
              .infer(infer_cast_like)
              .reference(run_cast_like)
              .samples(cast_like_samples)
              .doc("Elements converted to the type of another tensor."),
          Op("BitCast", {26})
              .attrs<BitCastAttrs>()
              .in("input", kAll & ~kString, 'X')
              .out("output", kAll & ~kString, 'Y')
              .infer(infer_bit_cast)
              .reference(run_bit_cast)
              .samples(bit_cast_samples)
              .doc("The same bits read as another type of equal width.")};
}

}  // namespace slipway::ops
