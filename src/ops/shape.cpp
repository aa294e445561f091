// Shape and Size.
#include "ops/shape.hpp"

#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

Status infer_shape(InferContext& c) {
  const Shape* in = c.shape(0);
  Dim count = Dim::unknown();
  if (in != nullptr) {
    const auto range = c.attrs<ShapeAttrs>().range(static_cast<int64_t>(in->size()));
    count = range.second - range.first;
  }
  c.set(0, ElementType::i64, Shape{count});
  return {};
}

Status run_shape(RefContext& c) {
  const Dims& dims = c.in(0).dims();
  const auto range = c.attrs<ShapeAttrs>().range(dims.rank());
  Tensor y = c.out(0, ElementType::i64, {range.second - range.first});
  for (int64_t i = range.first; i < range.second; ++i) y.as<int64_t>()[i - range.first] = dims[static_cast<int>(i)];
  return {};
}

Status infer_size(InferContext& c) {
  c.set(0, ElementType::i64, Shape{});
  return {};
}

Status run_size(RefContext& c) {
  Tensor y = c.out(0, ElementType::i64, {});
  y.as<int64_t>()[0] = c.in(0).count();
  return {};
}

std::vector<Sample> shape_samples() {
  using sample::counting;
  return {{"all", ShapeAttrs{}, {{counting({2, 3, 4})}}},
          {"range", ShapeAttrs{1, 3}, {{counting(ElementType::f16, {2, 3, 4})}}},
          {"negative", ShapeAttrs{-2}, {{counting(ElementType::i4, {2, 3, 4})}}},
          {"clamped", ShapeAttrs{-9, 9}, {{counting({2, 0})}}},
          {"scalar", ShapeAttrs{}, {{counting(ElementType::string, {})}}}};
}

std::vector<Sample> size_samples() {
  using sample::counting;
  return {{"cube", NoAttrs{}, {{counting({2, 3, 4})}}},
          {"scalar", NoAttrs{}, {{counting(ElementType::string, {})}}},
          {"empty", NoAttrs{}, {{counting(ElementType::u4, {2, 0})}}}};
}

}  // namespace

OpFamily shape() {
  return {Op("Shape", {1, 13, 15, 19, 21, 23, 24, 25})
              .attrs<ShapeAttrs>()
              .in("data", kAll)
              .out("shape", types(ElementType::i64), 'I')
              .infer(infer_shape)
              .reference(run_shape)
              .samples(shape_samples)
              .doc("The extents of the input."),
          Op("Size", {1, 13, 19, 21, 23, 24, 25})
              .in("data", kAll)
              .out("size", types(ElementType::i64), 'I')
              .infer(infer_size)
              .reference(run_size)
              .samples(size_samples)
              .doc("The number of elements of the input.")};
}

}  // namespace slipway::ops
