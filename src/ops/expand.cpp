// Expand and Tile: elements repeated.
#include <numeric>

#include "ops/moves.hpp"
#include "ops/onnx_node.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

constexpr TypeSet kDataTypes = kNumeric | kBool | kString | kComplex;

Status infer_expand(InferContext& c) {
  const Shape *in = c.shape(0), *list = c.shape(1);
  const auto target = c.ints(1);
  std::optional<Shape> out;
  if (target) {
    Shape shape;
    for (const int64_t d : *target) {
      if (d < 0) return fail(ErrorCode::invalid_model, "the target shape has the extent {}", d);
      shape.push_back(d);
    }
    TRY(check_size(shape));
    if (in != nullptr) out = TRY(broadcast(*in, shape));
  } else if (in != nullptr && list != nullptr && list->size() == 1 && (*list)[0].known()) {
    const auto asked = static_cast<size_t>((*list)[0].value());
    if (asked <= static_cast<size_t>(kMaxRank)) out = TRY(broadcast(*in, Shape(asked, Dim::unknown())));
  }
  if (out) TRY(check_size(*out));
  c.set(0, c.type(0), std::move(out));
  return {};
}

Status run_expand(RefContext& c) {
  const Tensor& x = c.in(0);
  Tensor y = c.out(0, x.type(), TRY(actual_dims(c)));
  walk<1>(y.dims(), {broadcast_strides(x.dims(), y.dims())}, [&](int64_t n, const auto& at) { copy_element(y, n, x, at[0]); });
  return {};
}

Status infer_tile(InferContext& c) {
  const Shape* in = c.shape(0);
  const auto repeats = c.ints(1);
  if (in == nullptr) {
    c.set(0, c.type(0));
    return {};
  }
  Shape out(in->size(), Dim::unknown());
  if (repeats) {
    if (repeats->size() != in->size()) {
      return fail(ErrorCode::invalid_model, "repeats has {} elements for an input of rank {}", repeats->size(), in->size());
    }
    for (size_t i = 0; i < out.size(); ++i) {
      const int64_t times = (*repeats)[i];
      if (times < 0) return fail(ErrorCode::invalid_model, "axis {} is repeated {} times", i, times);
      TRY(check_size({times, (*in)[i]}));
      out[i] = (*in)[i] * Dim(times);
    }
    TRY(check_size(out));
  }
  c.set(0, c.type(0), std::move(out));
  return {};
}

Status run_tile(RefContext& c) {
  const Tensor& x = c.in(0);
  Tensor y = c.out(0, x.type(), TRY(actual_dims(c)));
  const Dims strides = x.dims().strides();
  const int rank = y.dims().rank();
  Dims index = Dims::of_rank(rank, 0);
  for (int64_t n = 0; n < y.count(); ++n) {
    int64_t from = 0;
    for (int a = 0; a < rank; ++a) from += index[a] % x.dims()[a] * strides[a];
    copy_element(y, n, x, from);
    for (int a = rank - 1; a >= 0 && ++index[a] == y.dims()[a]; --a) index[a] = 0;
  }
  return {};
}

using sample::constant;
using sample::counting;
using sample::ints;

/// Version 1 repeated one axis: its inputs are the repeats and the axis, two scalars.
Status upgrade_tile(OnnxNode& node) {
  if (node.version >= 6) return {};
  const std::optional<Shape>& x = node.fact(0).shape;
  if (node.inputs.size() != 3 || !x)
    return Error(ErrorCode::unsupported, "Tile of opset 1 needs three inputs and an input of known rank");
  std::vector<int64_t> axes(x->size());
  std::iota(axes.begin(), axes.end(), int64_t{0});
  const ir::ValueId here = TRY(node.emit("Equal", NoAttrs{}, {node.constant(Tensor::vector(axes)), node.inputs[2]}));
  const ir::ValueId once = node.constant(Tensor::scalar(int64_t{1}));
  node.inputs = {node.inputs[0], TRY(node.emit("Where", NoAttrs{}, {here, node.inputs[1], once}))};
  return {};
}

std::vector<Sample> expand_samples() {
  return {{"rows", NoAttrs{}, {{counting({3, 1})}, constant(ints({3, 4}))}},
          {"both_ways", NoAttrs{}, {{counting(ElementType::f16, {3, 1})}, constant(ints({2, 1, 6}))}},
          {"shorter_shape", NoAttrs{}, {{counting(ElementType::i64, {2, 3})}, constant(ints({1}))}},
          {"scalar", NoAttrs{}, {{counting(ElementType::boolean, {}, 1)}, constant(ints({2, 2}))}},
          {"empty", NoAttrs{}, {{counting({1, 3})}, constant(ints({0, 3}))}},
          {"shape_at_run_time", NoAttrs{}, {{counting({2, 1})}, {ints({1, 5})}}}};
}

std::vector<Sample> tile_samples() {
  return {{"two_axes", NoAttrs{}, {{counting({2, 3})}, constant(ints({2, 2}))}},
          {"one", NoAttrs{}, {{counting(ElementType::i8, {2, 3, 1})}, constant(ints({1, 1, 4}))}},
          {"zero", NoAttrs{}, {{counting({2, 3})}, constant(ints({2, 0}))}},
          {"string", NoAttrs{}, {{counting(ElementType::string, {2})}, {ints({3})}}}};
}

}  // namespace

OpFamily expand() {
  return {Op("Expand", {8, 13})
              .in("input", kDataTypes)
              .in("shape", types(ElementType::i64), 'I')
              .out("output")
              .reads_value(1)
              .infer(infer_expand)
              .reference(run_expand)
              .samples(expand_samples)
              .doc("The input broadcast to a shape."),
          Op("Tile", {1, 6, 13})
              .in("input", kDataTypes)
              .in("repeats", types(ElementType::i64), 'I')
              .out("output")
              .reads_value(1)
              .infer(infer_tile)
              .reference(run_tile)
              .samples(tile_samples)
              .upgrade(upgrade_tile)
              .doc("The input repeated along each axis.")};
}

}  // namespace slipway::ops
