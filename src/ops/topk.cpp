// TopK.
#include "ops/topk.hpp"

#include <algorithm>
#include <numeric>

#include "ops/element_order.hpp"
#include "ops/moves.hpp"
#include "ops/onnx_node.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

Status infer_topk(InferContext& c) {
  const Shape* in = c.shape(0);
  std::optional<Shape> out;
  const auto k = c.ints(1);
  if (k && (k->size() != 1 || (*k)[0] < 0)) return fail(ErrorCode::invalid_model, "K must be one number that is not negative");
  if (in != nullptr) {
    out = *in;
    Dim& extent = (*out)[static_cast<size_t>(TRY(normalize_axis(c.attrs<TopKAttrs>().axis, static_cast<int>(in->size()))))];
    if (k && extent.known() && (*k)[0] > extent.value()) {
      return fail(ErrorCode::invalid_model, "the {} first of {} elements are asked for", (*k)[0], extent.value());
    }
    extent = k ? Dim((*k)[0]) : Dim::unknown();
  }
  c.set(0, c.type(0), out);
  c.set(1, ElementType::i64, std::move(out));
  return {};
}

Status run_topk(RefContext& c) {
  const auto& attrs = c.attrs<TopKAttrs>();
  const Tensor& x = c.in(0);
  const Dims dims = TRY(actual_dims(c));
  Tensor values = c.out(0, x.type(), dims), indices = c.out(1, ElementType::i64, dims);
  const int axis = TRY(normalize_axis(attrs.axis, dims.rank()));
  const int64_t extent = x.dims()[axis], k = dims[axis], inner = dims.count(axis + 1, dims.rank());
  std::vector<int64_t> order(static_cast<size_t>(extent));
  for (int64_t line = 0; line < dims.count(0, axis) * inner; ++line) {
    const int64_t outer = line / inner, base = outer * extent * inner + line % inner, to = outer * k * inner + line % inner;
    std::iota(order.begin(), order.end(), int64_t{0});
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {  // equal elements keep their order
      const int compared = compare_elements(x, base + a * inner, base + b * inner);
      return attrs.largest ? compared > 0 : compared < 0;
    });
    for (int64_t i = 0; i < k; ++i) {
      copy_element(values, to + i * inner, x, base + order[static_cast<size_t>(i)] * inner);
      indices.as<int64_t>()[to + i * inner] = order[static_cast<size_t>(i)];
    }
  }
  return {};
}

Status upgrade_topk(OnnxNode& n) {
  if (n.has("k")) n.set_input(1, n.constant(Tensor::vector(std::vector<int64_t>{n.take_int("k", 0)})));
  return {};
}

std::vector<Sample> samples() {
  using sample::constant;
  using sample::ints;
  using sample::numbers;
  return {{"largest", TopKAttrs{}, {{sample::counting({3, 4})}, constant(ints({3}))}, 2},
          {"smallest", TopKAttrs{1, false}, {{sample::floats({2, 4}, {3, 1, -2, 1, 0, 0, 5, -5})}, constant(ints({2}))}, 2},
          {"ties", TopKAttrs{0}, {{numbers(ElementType::i64, {5}, {1, 3, 3, 2, 3})}, constant(ints({4}))}, 2},
          {"outer_axis", TopKAttrs{-2}, {{numbers(ElementType::f16, {3, 2}, {1, 6, 5, 2, 3, 4})}, constant(ints({2}))}, 2},
          {"bytes", TopKAttrs{}, {{numbers(ElementType::u8, {4}, {200, 3, 255, 0})}, {ints({1})}}, 2},
          {"many_of_a_line", TopKAttrs{}, {{sample::random({3, 100}, -9, 9)}, constant(ints({40}))}, 2},
          {"many_least", TopKAttrs{0, false}, {{sample::random(ElementType::i32, {90, 2}, -9, 9)}, constant(ints({50}))}, 2},
          {"none", TopKAttrs{}, {{sample::counting({2, 3})}, constant(ints({0}))}, 2}};
}

}  // namespace

OpFamily topk() {
  return {Op("TopK", {1, 10, 11, 24})
              .attrs<TopKAttrs>()
              .in("X", kNumeric)
              .in("K", types(ElementType::i64), 'K')
              .out("Values")
              .out("Indices", types(ElementType::i64), 'I')
              .reads_value(1)
              .infer(infer_topk)
              .reference(run_topk)
              .samples(samples)
              .upgrade(upgrade_topk)
              .doc("The largest or smallest elements of an axis and their positions; of equal ones the first.")};
}

}  // namespace slipway::ops
