// Concat.
#include "ops/concat.hpp"

#include "ops/moves.hpp"
#include "ops/onnx_node.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

constexpr TypeSet kConcatTypes = kNumeric | kBool | kString | kComplex;

Status infer_concat(InferContext& c) {
  std::optional<Shape> out;
  bool all_ranks_known = true;
  size_t axis = 0;
  Dim sum = 0;
  for (size_t i = 0; i < c.input_count(); ++i) {
    const Shape* in = c.shape(i);
    if (in == nullptr) {
      all_ranks_known = false;
      continue;
    }
    if (!out) {
      axis = static_cast<size_t>(TRY(normalize_axis(c.attrs<ConcatAttrs>().axis, static_cast<int>(in->size()))));
      out = *in;
    }
    if (in->size() != out->size()) {
      return fail(ErrorCode::invalid_model, "input {} has the rank {} and the first one {}", i, in->size(), out->size());
    }
    for (size_t a = 0; a < out->size(); ++a) {
      if (a != axis) (*out)[a] = TRY(same_extent((*out)[a], (*in)[a], a));
    }
    sum = sum + (*in)[axis];
  }
  if (out) (*out)[axis] = all_ranks_known ? sum : Dim::unknown();
  c.set(0, c.type(0), std::move(out));
  return {};
}

Status run_concat(RefContext& c) {
  Tensor y = c.out(0, c.in(0).type(), TRY(actual_dims(c)));
  const int rank = y.dims().rank(), axis = TRY(normalize_axis(c.attrs<ConcatAttrs>().axis, rank));
  const int64_t outer = y.dims().count(0, axis), row = y.dims().count(axis, rank);
  int64_t at = 0;
  for (size_t i = 0; i < c.input_count(); ++i) {
    const Tensor& x = c.in(i);
    const int64_t run = x.dims().count(axis, rank);
    for (int64_t o = 0; o < outer; ++o) copy_run(y, o * row + at, x, o * run, run);
    at += run;
  }
  return {};
}

Status upgrade_concat(OnnxNode& n) {
  if (n.version < 4 && !n.has("axis")) n.attrs["axis"] = int64_t{1};
  return {};
}

std::vector<Sample> samples() {
  using sample::counting;
  return {{"axis0", ConcatAttrs{0}, {{counting({2, 3})}, {counting({1, 3}, 6)}}},
          {"channels", ConcatAttrs{1}, {{counting({2, 3, 4, 4})}, {counting({2, 5, 4, 4}, 100)}, {counting({2, 1, 4, 4}, 7)}}},
          {"quarter_blocks",
           ConcatAttrs{1},
           {{counting({2, 24, 3, 5})},
            {counting({2, 20, 3, 5}, 900)},
            {counting({2, 36, 3, 5}, 2000)},
            {counting({2, 7, 3, 5}, 5000)}}},
          {"quarter_blocks_line", ConcatAttrs{-2}, {{counting({1, 12, 9})}, {counting({1, 48, 9}, 300)}}},
          {"negative", ConcatAttrs{-1}, {{counting(ElementType::i64, {2, 3})}, {counting(ElementType::i64, {2, 2}, 50)}}},
          {"one_input", ConcatAttrs{0}, {{counting(ElementType::u8, {3})}}},
          {"one_empty", ConcatAttrs{1}, {{counting(ElementType::f16, {2, 0})}, {counting(ElementType::f16, {2, 3})}}},
          {"string", ConcatAttrs{0}, {{counting(ElementType::string, {2})}, {counting(ElementType::string, {1}, 9)}}}};
}

}  // namespace

OpFamily concat() {
  return {Op("Concat", {1, 4, 11, 13})
              .attrs<ConcatAttrs>()
              .in_list("inputs", kConcatTypes)
              .out("concat_result")
              .infer(infer_concat)
              .reference(run_concat)
              .samples(samples)
              .upgrade(upgrade_concat)
              .doc("Tensors one after another along an axis.")};
}

}  // namespace slipway::ops
