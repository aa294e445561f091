// QuantizeLinear, DequantizeLinear and DynamicQuantizeLinear: to and from integers, float8 and float4, by scale and zero point.
#include "ops/quantize.hpp"

#include <algorithm>
#include <cmath>

#include "base/low_precision.hpp"
#include "ops/elementwise.hpp"
#include "ops/function.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

constexpr TypeSet kQuantFloat8 = types(E::f8e4m3fn, E::f8e4m3fnuz, E::f8e5m2, E::f8e5m2fnuz);
constexpr TypeSet kQuantized = types(E::u8, E::i8, E::u16, E::i16) | kSubByte | kQuantFloat8;
constexpr TypeSet kReal = types(E::f32, E::f16, E::bf16);

/// How scales lie over the data.
struct Granularity {
  int axis = 0;
  int64_t block = 1;      ///< elements along the axis that share a scale
  bool blocked = false;   ///< the scale has every axis of the data
  bool per_axis = false;  ///< the scale has the axis alone; neither: one scale
};

/// ONNX's rule, for extents as far as they are known. `what`: "scale" or "zero point".
Result<Granularity> granularity_of(const Shape& data, const Shape& scale, int64_t axis, int64_t block_size) {
  Granularity g;
  if (block_size < 0) return fail(ErrorCode::invalid_model, "block_size {} is negative", block_size);
  if (scale.empty() || (scale.size() == 1 && scale.front() == Dim(1))) return g;
  if (data.empty()) return Error(ErrorCode::invalid_model, "a scalar takes one scale");
  if (scale.size() == 1 && data.size() == 1 && block_size == 0) axis = 0;
  g.axis = TRY(normalize_axis(axis, static_cast<int>(data.size())));
  const auto at = static_cast<size_t>(g.axis);
  if (block_size == 0) {
    g.per_axis = scale.size() == 1;
    if (!g.per_axis) return fail(ErrorCode::invalid_model, "a scale of rank {} needs a block_size", scale.size());
    const Dim have = scale.front(), want = data[at];
    if (have.known() && want.known() && !have.same(want)) {
      return fail(ErrorCode::invalid_model, "the scale has {} elements and axis {} of the data {}", have.value(), axis,
                  want.value());
    }
    return g;
  }
  g.blocked = true;
  g.block = block_size;
  bool fits = scale.size() == data.size();
  for (size_t i = 0; fits && i < data.size(); ++i) {
    if (!data[i].known() || !scale[i].known()) continue;
    const int64_t extent = data[i].value();
    const int64_t want = i == at ? extent / block_size + (extent % block_size != 0 ? 1 : 0) : extent;
    fits = scale[i].value() == want;
  }
  if (!fits) {
    return fail(ErrorCode::invalid_model,
                "a scale in blocks of {} along axis {} must have the data's shape with that axis divided", block_size, g.axis);
  }
  return g;
}

Status check_shapes(InferContext& c, int64_t axis, int64_t block_size) {
  const Shape *data = c.shape(0), *scale = c.shape(1), *zero = c.shape(2);
  if (data != nullptr && scale != nullptr) TRY(granularity_of(*data, *scale, axis, block_size));
  if (scale == nullptr || zero == nullptr) return {};
  bool same = zero->size() == scale->size();
  for (size_t i = 0; same && i < zero->size(); ++i) {
    same = !(*zero)[i].known() || !(*scale)[i].known() || (*zero)[i] == (*scale)[i];
  }
  const bool both_one = zero->size() + scale->size() == 1;  // a scalar beside one element
  if (!same && !both_one) return Error(ErrorCode::invalid_model, "scale and zero point must have one shape");
  return {};
}

Shape shape_of(const Tensor& t) {
  return Shape(t.dims().begin(), t.dims().end());
}

/// Calls f(data index, scale index) for all elements of `data`.
template <class F>
Status each_scale(const Dims& data, const Tensor& scale, const Tensor* zero, int64_t axis, int64_t block_size, F&& f) {
  const Granularity g = TRY(granularity_of(Shape(data.begin(), data.end()), shape_of(scale), axis, block_size));
  if (zero != nullptr && zero->count() != scale.count()) {
    return Error(ErrorCode::invalid_argument, "scale and zero point must have one shape");
  }
  if (!g.blocked && !g.per_axis) {
    for (int64_t i = 0, n = data.count(); i < n; ++i) f(i, int64_t{0});
    return {};
  }
  const int64_t extent = data[g.axis], inner = data.count(g.axis + 1, data.rank()), outer = data.count(0, g.axis);
  const int64_t blocks = g.blocked ? scale.dims()[g.axis] : 0;
  for (int64_t o = 0, i = 0; o < outer; ++o) {
    for (int64_t k = 0; k < extent; ++k) {
      for (int64_t n = 0; n < inner; ++n, ++i) f(i, g.blocked ? (o * blocks + k / g.block) * inner + n : k);
    }
  }
  return {};
}

/// x rounded to a float type; other types leave it alone.
double rounded(ElementType type, double x) {
  if (type == ElementType::f32) return static_cast<double>(static_cast<float>(x));
  if (type == ElementType::f16) return static_cast<double>(Half(x));
  if (type == ElementType::bf16) return static_cast<double>(BFloat16(x));
  return x;
}

double nearest_in(const IntegerRange& range, double x) {
  if (std::isnan(x)) return 0;
  return std::clamp(x, static_cast<double>(range.low), static_cast<double>(range.high));
}

ElementType quantized_type(const QuantizeAttrs& attrs, ElementType zero_point) {
  if (zero_point != ElementType::undefined) return zero_point;
  return attrs.output_dtype != ElementType::undefined ? attrs.output_dtype : ElementType::u8;
}

Status infer_quantize(InferContext& c) {
  const QuantizeAttrs& attrs = c.attrs<QuantizeAttrs>();
  const ElementType type = quantized_type(attrs, c.type(2));
  if (!contains(kQuantized, type)) {
    return fail(ErrorCode::invalid_model, "cannot quantize to {}", name(type));
  }
  if (attrs.output_dtype != ElementType::undefined && attrs.output_dtype != type) {
    return fail(ErrorCode::invalid_model, "output_dtype is {} and the zero point's type {}", name(attrs.output_dtype),
                name(type));
  }
  TRY(check_shapes(c, attrs.axis, attrs.block_size));
  return infer_like_input(c, type);
}

/// saturate(round(x / scale) + zero point), the quotient rounded to `precision` first; float8 and float4: no rounding to
/// integers.
Status run_quantize(RefContext& c) {
  const QuantizeAttrs& attrs = c.attrs<QuantizeAttrs>();
  const Tensor &x = c.in(0), *zero = c.has(2) ? &c.in(2) : nullptr;
  const ElementType type = quantized_type(attrs, zero == nullptr ? ElementType::undefined : zero->type());
  ElementType precision = attrs.precision;
  if (precision == ElementType::undefined) precision = contains(kReal, c.in(1).type()) ? c.in(1).type() : ElementType::f32;
  const std::vector<double> values = c.doubles(0), scales = c.doubles(1),
                            zeros = zero == nullptr ? std::vector<double>{} : c.doubles(2);
  std::vector<double> y(values.size());
  const bool whole = is_integer(type);
  const IntegerRange range = whole ? integer_range(type) : IntegerRange{0, 0};
  TRY(each_scale(x.dims(), c.in(1), zero, attrs.axis, attrs.block_size, [&](int64_t i, int64_t k) {
    const auto at = static_cast<size_t>(i), s = static_cast<size_t>(k);
    const double quotient = rounded(precision, rounded(precision, values[at]) / rounded(precision, scales[s]));
    const double offset = zeros.empty() ? 0 : zeros[s];
    y[at] = whole ? nearest_in(range, std::nearbyint(quotient) + offset) : quotient + offset;
  }));
  Tensor out = c.out(0, type, x.dims());
  const bool saturate = attrs.saturate && contains(kQuantFloat8, type);
  for (size_t i = 0; i < y.size(); ++i) {
    (saturate ? store_saturated : store_double)(out.data(), type, static_cast<int64_t>(i), y[i]);
  }
  return {};
}

ElementType dequantized_type(const DequantizeAttrs& attrs, ElementType scale) {
  if (attrs.output_dtype != ElementType::undefined) return attrs.output_dtype;
  return scale == ElementType::f8e8m0 ? ElementType::f32 : scale;
}

Status infer_dequantize(InferContext& c) {
  const DequantizeAttrs& attrs = c.attrs<DequantizeAttrs>();
  const ElementType type = dequantized_type(attrs, c.type(1));
  if (type != ElementType::undefined && !contains(kReal, type)) {
    return fail(ErrorCode::invalid_model, "cannot dequantize to {}", name(type));
  }
  TRY(check_shapes(c, attrs.axis, attrs.block_size));
  return infer_like_input(c, type);
}

/// (x - zero point) * scale
Status run_dequantize(RefContext& c) {
  const DequantizeAttrs& attrs = c.attrs<DequantizeAttrs>();
  const Tensor &x = c.in(0), *zero = c.has(2) ? &c.in(2) : nullptr;
  std::vector<double> values = c.doubles(0);
  const std::vector<double> scales = c.doubles(1), zeros = zero == nullptr ? std::vector<double>{} : c.doubles(2);
  TRY(each_scale(x.dims(), c.in(1), zero, attrs.axis, attrs.block_size, [&](int64_t i, int64_t k) {
    const auto s = static_cast<size_t>(k);
    double& v = values[static_cast<size_t>(i)];
    v = (v - (zeros.empty() ? 0 : zeros[s])) * scales[s];
  }));
  c.set_doubles(0, dequantized_type(attrs, c.in(1).type()), x.dims(), values);
  return {};
}

Status infer_dynamic(InferContext& c) {
  c.set(1, ElementType::f32, Shape{});
  c.set(2, ElementType::u8, Shape{});
  return infer_like_input(c, ElementType::u8);
}

/// In float32 throughout, as the standard's function says it.
Status run_dynamic(RefContext& c) {
  const std::vector<double> x = c.doubles(0);
  float low = 0, high = 0;
  for (double v : x) {
    low = std::min(low, static_cast<float>(v));
    high = std::max(high, static_cast<float>(v));
  }
  const float scale = (high == low ? 1.0f : high - low) / 255.0f;
  const auto zero = static_cast<float>(std::nearbyint(std::clamp(0.0f - low / scale, 0.0f, 255.0f)));
  std::vector<double> y(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    y[i] = nearest_in({0, 255}, static_cast<double>(std::nearbyint(static_cast<float>(x[i]) / scale) + zero));
  }
  c.set_doubles(0, ElementType::u8, c.in(0).dims(), y);
  const double scalar = scale, offset = zero;
  c.set_doubles(1, ElementType::f32, {}, std::span(&scalar, 1));
  c.set_doubles(2, ElementType::u8, {}, std::span(&offset, 1));
  return {};
}

SampleInput scale(const Dims& dims, ElementType type = E::f32) {
  return sample::constant(sample::random(type, dims, 0.01, 0.1, 5));
}

Tensor zero_point(ElementType type, const Dims& dims) {
  const bool wide = bits(type) >= 8, has_sign = is_signed_integer(type);
  return sample::random(type, dims, has_sign ? (wide ? -5 : -1) : 0, wide ? 10 : 2, 6);
}

std::vector<Sample> quantize_samples() {
  std::vector<Sample> out;
  const auto x = [](const Dims& dims, ElementType t = E::f32) { return SampleInput{sample::random(t, dims, -20, 20)}; };
  for (ElementType t : {E::u8, E::i8, E::u16, E::i16, E::u4, E::i4, E::u2, E::i2}) {
    out.push_back({std::string(name(t)), QuantizeAttrs{}, {x({3, 17}), scale({}), sample::constant(zero_point(t, {}))}, 1});
  }
  for (ElementType t : {E::f8e4m3fn, E::f8e4m3fnuz, E::f8e5m2, E::f8e5m2fnuz, E::f4e2m1}) {
    out.push_back({std::string(name(t)), QuantizeAttrs{.output_dtype = t}, {x({3, 17}), scale({})}, 1});
  }
  out.push_back({"no_zero_point", QuantizeAttrs{}, {x({7}), scale({1})}, 1});
  out.push_back({"per_axis", QuantizeAttrs{}, {x({2, 3, 5}), scale({3}), sample::constant(zero_point(E::i8, {3}))}, 1});
  out.push_back(
      {"last_axis", QuantizeAttrs{.axis = -1}, {x({4, 33}), scale({33}), sample::constant(zero_point(E::u8, {33}))}, 1});
  out.push_back({"blocked",
                 QuantizeAttrs{.axis = 1, .block_size = 4},
                 {x({3, 10, 2}), scale({3, 3, 2}), sample::constant(zero_point(E::i8, {3, 3, 2}))},
                 1});
  out.push_back({"f16", QuantizeAttrs{}, {x({17}, E::f16), scale({}, E::f16), sample::constant(zero_point(E::i8, {}))}, 1});
  out.push_back({"bf16_precision",
                 QuantizeAttrs{.precision = E::f32},
                 {x({17}, E::bf16), scale({}, E::bf16), sample::constant(zero_point(E::u8, {}))},
                 1});
  out.push_back({"i32",
                 QuantizeAttrs{},
                 {{sample::random(E::i32, {17}, -300, 300)},
                  sample::constant(sample::floats({}, {2})),
                  sample::constant(zero_point(E::u8, {}))},
                 1});
  const double inf = std::numeric_limits<double>::infinity();
  const SampleInput special{sample::floats({6}, {inf, -inf, 0.5, 1.5, -0.5, 1e30})};
  out.push_back({"special",
                 QuantizeAttrs{},
                 {special, sample::constant(sample::floats({}, {1})), sample::constant(zero_point(E::u8, {}))},
                 1});
  out.push_back({"special_f8",
                 QuantizeAttrs{.output_dtype = E::f8e4m3fn, .saturate = false},
                 {special, sample::constant(sample::floats({}, {1}))},
                 1});
  out.push_back({"empty", QuantizeAttrs{}, {x({0, 3}), scale({})}, 1});
  return out;
}

std::vector<Sample> dequantize_samples() {
  std::vector<Sample> out;
  const auto x = [](ElementType t, const Dims& dims) {
    const bool narrow = bits(t) < 8;
    return SampleInput{sample::random(t, dims, is_unsigned_integer(t) ? 0 : narrow ? -2 : -100, narrow ? 2 : 100)};
  };
  for (ElementType t : {E::u8, E::i8, E::u16, E::i16, E::u4, E::i4, E::u2, E::i2}) {
    out.push_back({std::string(name(t)), DequantizeAttrs{}, {x(t, {3, 17}), scale({}), sample::constant(zero_point(t, {}))}, 1});
  }
  for (ElementType t : {E::i32, E::f8e4m3fn, E::f8e4m3fnuz, E::f8e5m2, E::f8e5m2fnuz, E::f4e2m1}) {
    out.push_back({std::string(name(t)), DequantizeAttrs{}, {x(t, {3, 17}), scale({})}, 1});
  }
  out.push_back({"per_axis", DequantizeAttrs{}, {x(E::i8, {2, 3, 5}), scale({3}), sample::constant(zero_point(E::i8, {3}))}, 1});
  out.push_back(
      {"first_axis", DequantizeAttrs{.axis = 0}, {x(E::i8, {7, 33}), scale({7}), sample::constant(zero_point(E::i8, {7}))}, 1});
  out.push_back({"blocked",
                 DequantizeAttrs{.axis = 1, .block_size = 4},
                 {x(E::u4, {3, 10, 2}), scale({3, 3, 2}), sample::constant(zero_point(E::u4, {3, 3, 2}))},
                 1});
  out.push_back({"f16", DequantizeAttrs{}, {x(E::i8, {17}), scale({}, E::f16)}, 1});
  out.push_back({"to_bf16", DequantizeAttrs{.output_dtype = E::bf16}, {x(E::i8, {17}), scale({})}, 1});
  out.push_back({"power_of_two_scale",
                 DequantizeAttrs{.axis = 1, .block_size = 16, .output_dtype = E::f32},
                 {x(E::f4e2m1, {2, 32}), scale({2, 2}, E::f8e8m0)},
                 1});
  out.push_back({"empty", DequantizeAttrs{}, {x(E::i8, {0, 3}), scale({})}, 1});
  return out;
}

std::vector<Sample> dynamic_samples() {
  std::vector<Sample> out;
  out.push_back({"both_signs", {}, {{sample::random({3, 17})}}, 3});
  out.push_back({"positive", {}, {{sample::random({1000}, 1, 3)}}, 3});
  out.push_back({"negative", {}, {{sample::random({7}, -3, -1)}}, 3});
  out.push_back({"zeros", {}, {{sample::floats({2}, {0, 0})}}, 3});
  out.push_back({"scalar", {}, {{sample::floats({}, {5})}}, 3});
  return out;
}

/// In both domains the same; com.microsoft had the narrow types first.
Op quantize_linear(std::vector<int> versions, std::string_view domain) {
  return Op("QuantizeLinear", std::move(versions), domain)
      .attrs<QuantizeAttrs>()
      .in("x", kReal | types(E::i32), 0)
      .in("y_scale", kReal | types(E::i32, E::f8e8m0), 0)
      .opt("y_zero_point", kQuantized, 0)
      .out("y", kQuantized, 0)
      .infer(infer_quantize)
      .reference(run_quantize)
      .samples(quantize_samples)
      .doc("saturate(round(x / y_scale) + y_zero_point), halves to even; per tensor, per axis or in blocks.");
}

Op dequantize_linear(std::vector<int> versions, std::string_view domain) {
  return Op("DequantizeLinear", std::move(versions), domain)
      .attrs<DequantizeAttrs>()
      .in("x", kQuantized | types(E::i32), 'Q')
      .in("x_scale", kReal | types(E::f8e8m0), 0)
      .opt("x_zero_point", kQuantized | types(E::i32), 'Q')
      .out("y", kReal, 0)
      .tolerance(Tolerance::rounding)
      .infer(infer_dequantize)
      .reference(run_dequantize)
      .samples(dequantize_samples)
      .doc("(x - x_zero_point) * x_scale; per tensor, per axis or in blocks.");
}

/// com.microsoft's stand for those of ai.onnx.
template <class S>
void same_body(FunctionBody& b, std::string_view op) {
  b.set(0, b.node(op, b.attrs<S>(), {b.in(0), b.in(1), b.in(2)}));
}
void quantize_body(FunctionBody& b) {
  same_body<QuantizeAttrs>(b, "QuantizeLinear");
}
void dequantize_body(FunctionBody& b) {
  same_body<DequantizeAttrs>(b, "DequantizeLinear");
}

}  // namespace

OpFamily quantize() {
  const std::vector<int> versions = {10, 13, 19, 21, 23, 24, 25, 28};
  constexpr std::string_view kMicrosoft = "com.microsoft";
  return {quantize_linear(versions, ""), dequantize_linear(versions, ""),
          function<quantize_body, QuantizeAttrs>(quantize_linear({1}, kMicrosoft)),
          function<dequantize_body, DequantizeAttrs>(dequantize_linear({1}, kMicrosoft)),
          Op("DynamicQuantizeLinear", {11})
              .in("x", types(E::f32))
              .out("y", types(E::u8), 0)
              .out("y_scale", types(E::f32), 0)
              .out("y_zero_point", types(E::u8), 0)
              .infer(infer_dynamic)
              .reference(run_dynamic)
              .samples(dynamic_samples)
              .doc("Quantizes to u8 with the scale and zero point that cover the input and 0.")};
}

}  // namespace slipway::ops
