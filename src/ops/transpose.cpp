// Transpose.
#include "ops/transpose.hpp"

#include "ops/moves.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

Status infer_transpose(InferContext& c) {
  const auto& attrs = c.attrs<TransposeAttrs>();
  const Shape* in = c.shape(0);
  std::optional<Shape> out;
  if (in == nullptr && !attrs.perm.empty()) {
    if (attrs.perm.size() > static_cast<size_t>(kMaxRank)) return fail(ErrorCode::limit, "perm has {} axes", attrs.perm.size());
    out = Shape(attrs.perm.size(), Dim::unknown());
  } else if (in != nullptr) {
    const std::vector<int> perm = permutation(attrs, static_cast<int>(in->size()));
    if (perm.size() != in->size()) {
      return fail(ErrorCode::invalid_model, "perm is not a permutation of the {} axes of the input", in->size());
    }
    out = Shape();
    for (const int axis : perm) out->push_back((*in)[static_cast<size_t>(axis)]);
  }
  c.set(0, c.type(0), std::move(out));
  return {};
}

Status run_transpose(RefContext& c) {
  const Tensor& x = c.in(0);
  Tensor y = c.out(0, x.type(), TRY(actual_dims(c)));
  const Dims strides = x.dims().strides();
  Dims permuted;
  for (const int axis : permutation(c.attrs<TransposeAttrs>(), x.dims().rank())) permuted.push_back(strides[axis]);
  walk<1>(y.dims(), {permuted}, [&](int64_t n, const auto& at) { copy_element(y, n, x, at[0]); });
  return {};
}

std::vector<Sample> samples() {
  using sample::counting;
  return {{"default_reverses", TransposeAttrs{}, {{counting({2, 3, 4})}}},
          {"nchw_to_nhwc", TransposeAttrs{{0, 2, 3, 1}}, {{counting({2, 3, 4, 5})}}},
          {"heads", TransposeAttrs{{0, 2, 1, 3}}, {{counting(ElementType::f16, {2, 7, 3, 8})}}},
          {"swap_last", TransposeAttrs{{0, 2, 1}}, {{counting(ElementType::i8, {2, 17, 5})}}},
          {"wide", TransposeAttrs{{1, 0}}, {{counting(ElementType::f64, {5, 9})}}},
          {"four_bit", TransposeAttrs{{1, 0}}, {{counting(ElementType::u4, {3, 5})}}},
          {"empty", TransposeAttrs{{1, 0}}, {{counting({0, 3})}}},
          {"string", TransposeAttrs{{1, 0}}, {{counting(ElementType::string, {2, 3})}}}};
}

}  // namespace

OpFamily transpose() {
  return {Op("Transpose", {1, 13, 21, 23, 24, 25})
              .attrs<TransposeAttrs>()
              .in("data", kAll)
              .out("transposed")
              .infer(infer_transpose)
              .reference(run_transpose)
              .samples(samples)
              .doc("Axes in another order.")};
}

}  // namespace slipway::ops
