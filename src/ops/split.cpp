// Split.
#include "ops/split.hpp"

#include "ops/moves.hpp"
#include "ops/onnx_node.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

Status infer_split(InferContext& c) {
  const auto& attrs = c.attrs<SplitAttrs>();
  const auto pieces = static_cast<int64_t>(c.output_count());
  const Shape* in = c.shape(0);
  const auto sizes = c.ints(1);
  if (pieces == 0) return Error(ErrorCode::invalid_model, "it needs at least one output");
  if (attrs.num_outputs && *attrs.num_outputs != pieces) {
    return fail(ErrorCode::invalid_model, "num_outputs is {} but the node has {} outputs", *attrs.num_outputs, pieces);
  }
  if (sizes && static_cast<int64_t>(sizes->size()) != pieces) {
    return fail(ErrorCode::invalid_model, "split has {} sizes but the node has {} outputs", sizes->size(), pieces);
  }
  if (in == nullptr) {
    for (size_t i = 0; i < c.output_count(); ++i) c.set(i, c.type(0));
    return {};
  }
  const auto axis = static_cast<size_t>(TRY(normalize_axis(attrs.axis, static_cast<int>(in->size()))));
  const Dim extent = (*in)[axis];
  std::vector<Dim> out(c.output_count(), Dim::unknown());
  if (sizes) {
    int64_t sum = 0;
    for (size_t i = 0; i < out.size(); ++i) {
      if ((*sizes)[i] < 0 || (*sizes)[i] > kMaxElements)
        return fail(ErrorCode::invalid_model, "split size {} is out of range", (*sizes)[i]);
      out[i] = (*sizes)[i];
      sum += (*sizes)[i];
    }
    if (extent.known() && sum != extent.value()) {
      return fail(ErrorCode::invalid_model, "the split sizes add up to {}, axis {} has {}", sum, axis, extent.value());
    }
  } else if (!c.has_input(1) && extent.known()) {
    const auto equal = equal_split(extent.value(), pieces);
    out.assign(equal.begin(), equal.end());
  } else if (!c.has_input(1) && pieces == 1) {
    out[0] = extent;
  }
  for (size_t i = 0; i < out.size(); ++i) {
    Shape shape = *in;
    shape[axis] = out[i];
    c.set(i, c.type(0), std::move(shape));
  }
  return {};
}

Status run_split(RefContext& c) {
  const Tensor& x = c.in(0);
  const std::vector<Fact> facts = TRY(actual_facts(c));
  const int rank = x.dims().rank(), axis = TRY(normalize_axis(c.attrs<SplitAttrs>().axis, rank));
  const int64_t outer = x.dims().count(0, axis), row = x.dims().count(axis, rank), inner = x.dims().count(axis + 1, rank);
  int64_t at = 0;
  for (size_t i = 0; i < c.output_count(); ++i) {
    Dims dims = x.dims();
    dims[axis] = (*facts[i].shape)[static_cast<size_t>(axis)].value();
    const int64_t run = dims[axis] * inner;
    if (c.wants(i)) {
      Tensor y = c.out(i, x.type(), dims);
      for (int64_t o = 0; o < outer; ++o) copy_run(y, o * run, x, o * row + at, run);
    }
    at += run;
  }
  return {};
}

Status upgrade_split(OnnxNode& n) {
  if (n.version < 13) n.ints_to_input("split", 1);
  return {};
}

std::vector<Sample> samples() {
  using sample::constant;
  using sample::counting;
  using sample::ints;
  return {{"equal", SplitAttrs{}, {{counting({6, 2})}}, 3},
          {"uneven_last", SplitAttrs{1, 3}, {{counting({2, 7})}}, 3},
          {"sizes", SplitAttrs{1}, {{counting(ElementType::f16, {2, 6, 2})}, constant(ints({1, 5}))}, 2},
          {"negative", SplitAttrs{-1}, {{counting(ElementType::i64, {3, 4})}, constant(ints({3, 1}))}, 2},
          {"empty_piece", SplitAttrs{}, {{counting(ElementType::u8, {2})}, constant(ints({0, 2, 0}))}, 3},
          {"string", SplitAttrs{}, {{counting(ElementType::string, {4})}}, 2}};
}

}  // namespace

OpFamily split() {
  return {Op("Split", {1, 2, 11, 13, 18})
              .attrs<SplitAttrs>()
              .in("input", kNumeric | kBool | kString | kComplex)
              .opt("split", types(ElementType::i64), 'I')
              .out_list("outputs")
              .reads_value(1)
              .infer(infer_split)
              .reference(run_split)
              .samples(samples)
              .upgrade(upgrade_split)
              .doc("A tensor cut into pieces along an axis.")};
}

}  // namespace slipway::ops
