// Operators that ONNX had as experimental and removed with opset 10.
#include <algorithm>

#include "ops/function.hpp"
#include "ops/moves.hpp"
#include "ops/registry.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

struct AffineAttrs {
  float alpha = 1, beta = 0;
  bool operator==(const AffineAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("alpha", &AffineAttrs::alpha), field("beta", &AffineAttrs::beta)}; }
};

struct ScaleAttrs {
  float scale = 1;
  bool operator==(const ScaleAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("scale", &ScaleAttrs::scale)}; }
};

struct ImageScalerAttrs {
  std::vector<float> bias;  ///< one for each channel
  float scale = 1;
  bool operator==(const ImageScalerAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("bias", &ImageScalerAttrs::bias), field("scale", &ImageScalerAttrs::scale)};
  }
};

struct CropAttrs {
  std::vector<int64_t> border;  ///< left, top, right, bottom
  std::vector<int64_t> scale;   ///< height, width of what stays; empty: all within the border
  bool operator==(const CropAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("border", &CropAttrs::border), field("scale", &CropAttrs::scale)}; }
};

struct ConstantFillAttrs {
  ElementType dtype = ElementType::f32;
  std::vector<int64_t> extra_shape, shape;
  bool input_as_shape = false;
  float value = 0;
  bool operator==(const ConstantFillAttrs&) const = default;
  static constexpr auto fields() {
    using A = ConstantFillAttrs;
    return std::tuple{field("dtype", &A::dtype), field("extra_shape", &A::extra_shape),
                      field("input_as_shape", &A::input_as_shape), field("shape", &A::shape), field("value", &A::value)};
  }
};

struct GivenTensorFillAttrs {
  std::vector<int64_t> extra_shape, shape;
  bool input_as_shape = false;
  std::vector<float> values;
  bool operator==(const GivenTensorFillAttrs&) const = default;
  static constexpr auto fields() {
    using A = GivenTensorFillAttrs;
    return std::tuple{field("extra_shape", &A::extra_shape), field("input_as_shape", &A::input_as_shape),
                      field("shape", &A::shape), field("values", &A::values)};
  }
};

ir::ValueId number_like(FunctionBody& b, double value) {
  return b.number(b.type(b.in(0)), value);
}

void affine_body(FunctionBody& b) {
  const auto& a = b.attrs<AffineAttrs>();
  b.set(0, b.node("Add", {b.node("Mul", {b.in(0), number_like(b, a.alpha)}), number_like(b, a.beta)}));
}
void scaled_tanh_body(FunctionBody& b) {
  const auto& a = b.attrs<AffineAttrs>();
  b.set(0, b.node("Mul", {b.node("Tanh", {b.node("Mul", {b.in(0), number_like(b, a.beta)})}), number_like(b, a.alpha)}));
}
void parametric_softplus_body(FunctionBody& b) {
  const auto& a = b.attrs<AffineAttrs>();
  b.set(0, b.node("Mul", {b.node("Softplus", {b.node("Mul", {b.in(0), number_like(b, a.beta)})}), number_like(b, a.alpha)}));
}
void scale_body(FunctionBody& b) {
  b.set(0, b.node("Mul", {b.in(0), number_like(b, b.attrs<ScaleAttrs>().scale)}));
}

void image_scaler_body(FunctionBody& b) {
  const auto& a = b.attrs<ImageScalerAttrs>();
  const Shape* x = b.shape(b.in(0));
  if (x != nullptr && (x->size() != 4 || ((*x)[1].known() && (*x)[1].value() != static_cast<int64_t>(a.bias.size()))))
    return b.fail(
        fail(ErrorCode::invalid_model, "the input must be [N,C,H,W] with a bias for each of its {} channels", a.bias.size()));
  const ir::ValueId bias = b.constant(Tensor::from<float>(E::f32, {static_cast<int64_t>(a.bias.size()), 1, 1}, a.bias));
  const ElementType type = b.type(b.in(0));
  if (type == ElementType::undefined) return b.fail(Error(ErrorCode::unsupported, "the type of the input must be known"));
  b.set(0, b.node("Add", {b.node("Mul", {b.in(0), number_like(b, a.scale)}), b.cast(bias, type)}));
}

void crop_body(FunctionBody& b) {
  const auto& a = b.attrs<CropAttrs>();
  const bool sized = a.scale.size() == 2;
  if (a.border.size() != 4 || (!a.scale.empty() && !sized))
    return b.fail(Error(ErrorCode::invalid_model, "border needs four numbers, scale two or none"));
  for (int64_t v : a.border) {
    if (v < 0 || v > kMaxElements) return b.fail(fail(ErrorCode::invalid_model, "{} is no border", v));
  }
  const int64_t left = a.border[0], top = a.border[1];
  const Shape* x = b.shape(b.in(0));
  if (x != nullptr && x->size() != 4) return b.fail(Error(ErrorCode::invalid_model, "the input must be [N,C,H,W]"));
  std::vector<int64_t> ends;
  if (sized) {
    if (a.scale[0] < 0 || a.scale[1] < 0 || a.scale[0] > kMaxElements || a.scale[1] > kMaxElements)
      return b.fail(Error(ErrorCode::invalid_model, "a size is negative"));
    ends = {top + a.scale[0], left + a.scale[1]};
  } else {
    ends = {a.border[3] == 0 ? INT64_MAX : -a.border[3], a.border[2] == 0 ? INT64_MAX : -a.border[2]};
  }
  b.set(0, b.node("Slice", {b.in(0), b.ints({top, left}), b.ints(ends), b.ints({2, 3})}));
}

/// The shape that a filler makes: an attribute or the input's value, with more extents behind.
ir::ValueId filled_shape(FunctionBody& b, const std::vector<int64_t>& shape, const std::vector<int64_t>& extra,
                         bool input_as_shape) {
  if (!b.has(0)) {
    if (!extra.empty()) b.fail(Error(ErrorCode::invalid_model, "extra_shape goes with an input only"));
    return b.ints(shape);
  }
  const ir::ValueId own = input_as_shape ? b.cast(b.in(0), E::i64) : b.node("Shape", {b.in(0)});
  if (extra.empty()) return own;
  Attrs first(get("Concat")->OpInfo::attrs);
  if (Status set = first.set("axis", int64_t{0}); !set) b.fail(std::move(set).error());
  return b.node("Concat", first, {own, b.ints(extra)});
}

void constant_fill_body(FunctionBody& b) {
  const auto& a = b.attrs<ConstantFillAttrs>();
  if (!contains(kNumeric | kBool, a.dtype)) return b.fail(fail(ErrorCode::invalid_model, "dtype cannot be {}", name(a.dtype)));
  Tensor value(a.dtype, {1});
  if (is_float(a.dtype)) {
    store<double>(value, 0, a.value);
  } else {
    store<int64_t>(value, 0, static_cast<int64_t>(a.value));
  }
  Attrs attrs(get("ConstantOfShape")->OpInfo::attrs);
  if (Status set = attrs.set("value", value); !set) return b.fail(std::move(set).error());
  b.set(0, b.node("ConstantOfShape", attrs, {filled_shape(b, a.shape, a.extra_shape, a.input_as_shape)}));
}

void given_tensor_fill_body(FunctionBody& b) {
  const auto& a = b.attrs<GivenTensorFillAttrs>();
  const ir::ValueId values = b.constant(Tensor::from<float>(E::f32, {static_cast<int64_t>(a.values.size())}, a.values));
  b.set(0, b.node("Reshape", {values, filled_shape(b, a.shape, a.extra_shape, a.input_as_shape)}));
}

void dynamic_slice_body(FunctionBody& b) {
  b.set(0, b.node("Slice", {b.in(0), b.in(1), b.in(2), b.in(3)}));
}

template <class A>
std::vector<Sample> of_noise() {
  A a;
  if constexpr (std::is_same_v<A, AffineAttrs>) a = {1.5f, 0.5f};
  if constexpr (std::is_same_v<A, ScaleAttrs>) a = {2.5f};
  return {{"f32", a, {{sample::noise({2, 5})}}}, {"f16", a, {{sample::noise(E::f16, {7})}}}};
}

std::vector<Sample> image_scaler_samples() {
  return {{"two_channels", ImageScalerAttrs{{0.5f, -1}, 2}, {{sample::noise({1, 2, 3, 4})}}}};
}
std::vector<Sample> crop_samples() {
  const SampleInput x{sample::counting({1, 2, 5, 6})};
  return {{"border", CropAttrs{{1, 2, 0, 1}, {}}, {x}}, {"size", CropAttrs{{2, 1, 0, 0}, {2, 3}}, {x}}};
}
std::vector<Sample> constant_fill_samples() {
  using A = ConstantFillAttrs;
  return {{"shape", A{.shape = {2, 3}, .value = 4}, {}},
          {"like_input", A{.dtype = E::i64, .extra_shape = {2}, .value = 7}, {{sample::noise({3})}}},
          {"input_as_shape", A{.input_as_shape = true}, {sample::constant(sample::ints({2, 2}))}}};
}
std::vector<Sample> given_tensor_fill_samples() {
  return {{"shape", GivenTensorFillAttrs{.shape = {2, 2}, .values = {1, 2, 3, 4}}, {}}};
}
std::vector<Sample> dynamic_slice_samples() {
  return {{"rows",
           NoAttrs{},
           {{sample::counting({4, 3})}, sample::constant(sample::ints({1})), sample::constant(sample::ints({3}))}}};
}

}  // namespace

OpFamily experimental() {
  OpFamily family;
  const auto add = [&](Op&& op) { family.push_back(std::move(op)); };
  const auto one = [](std::string_view op) { return Op(op, {1}).in("input", kFloat).out("output"); };
  add(function<affine_body, AffineAttrs>(one("Affine"))
          .samples(of_noise<AffineAttrs>)
          .doc("alpha * x + beta; removed in opset 10."));
  add(function<scaled_tanh_body, AffineAttrs>(one("ScaledTanh"))
          .samples(of_noise<AffineAttrs>)
          .doc("alpha * tanh(beta * x); removed in opset 10."));
  add(function<parametric_softplus_body, AffineAttrs>(one("ParametricSoftplus"))
          .samples(of_noise<AffineAttrs>)
          .doc("alpha * log(exp(beta * x) + 1); removed in opset 10."));
  add(function<scale_body, ScaleAttrs>(one("Scale")).samples(of_noise<ScaleAttrs>).doc("scale * x; removed in opset 10."));
  add(function<image_scaler_body, ImageScalerAttrs>(one("ImageScaler"))
          .samples(image_scaler_samples)
          .doc("scale * x + bias by channel; removed in opset 10."));
  add(function<crop_body, CropAttrs>(one("Crop"))
          .samples(crop_samples)
          .tolerance(Tolerance::exact)
          .doc("The middle of images; removed in opset 10."));
  add(function<constant_fill_body, ConstantFillAttrs>(
          Op("ConstantFill", {1}).opt("input", kNumeric, 0).out("output", kNumeric | kBool, 0))
          .reads_value(0)
          .samples(constant_fill_samples)
          .tolerance(Tolerance::exact)
          .doc("A tensor of one value; removed in opset 10."));
  add(function<given_tensor_fill_body, GivenTensorFillAttrs>(
          Op("GivenTensorFill", {1}).opt("shape", kNumeric, 0).out("X", types(E::f32), 0))
          .reads_value(0)
          .samples(given_tensor_fill_samples)
          .tolerance(Tolerance::exact)
          .doc("A tensor of given values; removed in opset 10."));
  add(function<dynamic_slice_body>(Op("DynamicSlice", {1})
                                       .in("data", kAll)
                                       .in("starts", kIndex, 'I')
                                       .in("ends", kIndex, 'I')
                                       .opt("axes", kIndex, 'I')
                                       .out("output"))
          .reads_value(1, 2, 3)
          .samples(dynamic_slice_samples)
          .tolerance(Tolerance::exact)
          .doc("Slice by values; removed in opset 10."));
  return family;
}

}  // namespace slipway::ops
