// Constant and ConstantOfShape.
#include "ops/constant.hpp"

#include "ops/moves.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {

Tensor constant_tensor(const ConstantAttrs& a) {
  const auto list = [](size_t n) { return Dims{static_cast<int64_t>(n)}; };
  if (a.value) return a.value;
  if (a.value_float) return Tensor::scalar(*a.value_float);
  if (a.value_int) return Tensor::scalar(*a.value_int);
  if (a.value_floats) return Tensor::from<float>(ElementType::f32, list(a.value_floats->size()), *a.value_floats);
  if (a.value_ints) return Tensor::vector(*a.value_ints);
  if (a.value_string) return Tensor::from<std::string>(ElementType::string, {}, std::span(&*a.value_string, 1));
  if (a.value_strings) return Tensor::from<std::string>(ElementType::string, list(a.value_strings->size()), *a.value_strings);
  return {};
}

namespace {

Status infer_constant(InferContext& c) {
  const Tensor value = constant_tensor(c.attrs<ConstantAttrs>());
  if (!value) return fail(ErrorCode::invalid_model, "a Constant needs one of the value attributes");
  c.set(0, Fact::tensor(value.type(), value.dims()));
  return {};
}

Status run_constant(RefContext& c) {
  c.set(0, constant_tensor(c.attrs<ConstantAttrs>()));
  return {};
}

Status infer_constant_of_shape(InferContext& c) {
  const Tensor& value = c.attrs<ConstantOfShapeAttrs>().value;
  if (value && value.count() != 1)
    return fail(ErrorCode::invalid_model, "the value has {} elements, it must have 1", value.count());
  const ElementType type = value ? value.type() : ElementType::f32;
  const Shape* list = c.shape(0);
  std::optional<Shape> out;
  if (const auto dims = c.ints(0)) {
    out = Shape(dims->begin(), dims->end());
    for (const int64_t d : *dims) {
      if (d < 0) return fail(ErrorCode::invalid_model, "the shape has the extent {}", d);
    }
    TRY(check_size(*out));
  } else if (list != nullptr && list->size() == 1 && (*list)[0].known() && (*list)[0].value() <= kMaxRank) {
    out = Shape(static_cast<size_t>((*list)[0].value()), Dim::unknown());
  }
  c.set(0, type, std::move(out));
  return {};
}

Status run_constant_of_shape(RefContext& c) {
  const Tensor& value = c.attrs<ConstantOfShapeAttrs>().value;
  const Tensor one = value ? value : Tensor(ElementType::f32, {1});
  Tensor y = c.out(0, one.type(), TRY(actual_dims(c)));
  for (int64_t i = 0; i < y.count(); ++i) copy_element(y, i, one, 0);
  return {};
}

using sample::constant;
using sample::counting;
using sample::ints;

std::vector<Sample> constant_samples() {
  std::vector<Sample> out;
  ConstantAttrs a;
  a.value = counting(ElementType::i4, {3});
  out.push_back({"tensor", a, {}});
  a = {};
  a.value_floats = {1.5F, -2};
  out.push_back({"floats", a, {}});
  a = {};
  a.value_int = 7;
  out.push_back({"int", a, {}});
  a = {};
  a.value_strings = {"a", "", "bc"};
  out.push_back({"strings", a, {}});
  return out;
}

std::vector<Sample> constant_of_shape_samples() {
  ConstantOfShapeAttrs five, packed;
  five.value = ints({5});
  packed.value = counting(ElementType::u4, {1}, 3);
  return {{"zeros", ConstantOfShapeAttrs{}, {constant(ints({2, 3}))}},
          {"fives", five, {constant(ints({4}))}},
          {"scalar", five, {constant(ints({}))}},
          {"four_bit", packed, {constant(ints({3}))}},
          {"empty_at_run_time", five, {{ints({2, 0})}}}};
}

}  // namespace

OpFamily constant() {
  return {Op("Constant", {1, 9, 11, 12, 13, 19, 21, 23, 24, 25})
              .attrs<ConstantAttrs>()
              .out("output", kAll)
              .infer(infer_constant)
              .reference(run_constant)
              .samples(constant_samples)
              .doc("A value that stands in the model."),
          Op("ConstantOfShape", {9, 20, 21, 23, 24, 25})
              .attrs<ConstantOfShapeAttrs>()
              .in("input", types(ElementType::i64), 'I')
              .out("output", kNumeric | kBool | kFloat8 | kSubByte)
              .reads_value(0)
              .infer(infer_constant_of_shape)
              .reference(run_constant_of_shape)
              .samples(constant_of_shape_samples)
              .doc("A tensor of the given shape filled with one value.")};
}

}  // namespace slipway::ops
