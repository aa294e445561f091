// Gather, GatherElements, GatherND.
#include "ops/gather.hpp"

#include "ops/function.hpp"
#include "ops/moves.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

/// Beyond the standard's: the small types that quantised tables have.
constexpr TypeSet kDataTypes = kNumeric | kBool | kString | kComplex | kFloat8 | kSubByte;

Status infer_gather(InferContext& c) {
  const Shape *data = c.shape(0), *indices = c.shape(1);
  std::optional<Shape> out;
  if (data != nullptr) {
    const auto axis = TRY(normalize_axis(c.attrs<GatherAttrs>().axis, static_cast<int>(data->size())));
    if (indices != nullptr) {
      out = Shape(data->begin(), data->begin() + axis);
      out->insert(out->end(), indices->begin(), indices->end());
      out->insert(out->end(), data->begin() + axis + 1, data->end());
      TRY(check_size(*out));
    }
  }
  c.set(0, c.type(0), std::move(out));
  return {};
}

Status run_gather(RefContext& c) {
  const Tensor& x = c.in(0);
  Tensor y = c.out(0, x.type(), TRY(actual_dims(c)));
  const std::vector<int64_t> indices = c.ints(1);
  const int rank = x.dims().rank(), axis = TRY(normalize_axis(c.attrs<GatherAttrs>().axis, rank));
  const int64_t outer = x.dims().count(0, axis), extent = x.dims()[axis], inner = x.dims().count(axis + 1, rank);
  for (const int64_t index : indices) TRY(normalize_index(index, extent, axis));
  int64_t at = 0;
  for (int64_t o = 0; o < outer; ++o) {
    for (const int64_t index : indices) {
      copy_run(y, at, x, (o * extent + (index < 0 ? index + extent : index)) * inner, inner);
      at += inner;
    }
  }
  return {};
}

Status infer_gather_elements(InferContext& c) {
  const Shape *data = c.shape(0), *indices = c.shape(1);
  if (data != nullptr) {
    TRY(normalize_axis(c.attrs<GatherAttrs>().axis, static_cast<int>(data->size())));
    if (indices != nullptr && indices->size() != data->size()) {
      return fail(ErrorCode::invalid_model, "data has the rank {} and indices {}; both must be equal", data->size(),
                  indices->size());
    }
  }
  c.set(0, c.type(0), indices == nullptr ? std::nullopt : std::optional<Shape>(*indices));
  return {};
}

Status run_gather_elements(RefContext& c) {
  const Tensor& x = c.in(0);
  Tensor y = c.out(0, x.type(), TRY(actual_dims(c)));
  const std::vector<int64_t> indices = c.ints(1);
  const int rank = x.dims().rank(), axis = TRY(normalize_axis(c.attrs<GatherAttrs>().axis, rank));
  for (int a = 0; a < rank; ++a) {
    if (a != axis && y.dims()[a] > x.dims()[a]) {
      return fail(ErrorCode::invalid_model, "indices have {} elements on axis {}, data has {}", y.dims()[a], a, x.dims()[a]);
    }
  }
  Dims strides = x.dims().strides();
  const int64_t stride = strides[axis], extent = x.dims()[axis];
  strides[axis] = 0;
  Status status;
  walk<1>(y.dims(), {strides}, [&](int64_t n, const auto& at) {
    const Result<int64_t> index = normalize_index(indices[static_cast<size_t>(n)], extent, axis);
    if (index) {
      copy_element(y, n, x, at[0] + *index * stride);
    } else {
      status = index.error();
    }
  });
  return status;
}

Status infer_gather_nd(InferContext& c) {
  const Shape *data = c.shape(0), *indices = c.shape(1);
  if (data == nullptr || indices == nullptr) {
    c.set(0, c.type(0));
    return {};
  }
  const int64_t batch = c.attrs<GatherNDAttrs>().batch_dims, rank = static_cast<int64_t>(data->size());
  if (indices->empty() || batch < 0 || batch >= rank || batch >= static_cast<int64_t>(indices->size())) {
    return fail(ErrorCode::invalid_model, "batch_dims is {} for data of rank {} and indices of rank {}", batch, rank,
                indices->size());
  }
  const Dim depth = indices->back();
  if (!depth.known()) {
    c.set(0, c.type(0));
    return {};
  }
  if (depth.value() < 1 || depth.value() > rank - batch) {
    return fail(ErrorCode::invalid_model, "index tuples of {} elements for data of rank {} with {} batch axes", depth.value(),
                rank, batch);
  }
  Shape out(indices->begin(), indices->end() - 1);
  for (size_t i = 0; i < static_cast<size_t>(batch); ++i) out[i] = TRY(same_extent(out[i], (*data)[i], i));
  out.insert(out.end(), data->begin() + batch + depth.value(), data->end());
  TRY(check_size(out));
  c.set(0, c.type(0), std::move(out));
  return {};
}

Status run_gather_nd(RefContext& c) {
  const Tensor& x = c.in(0);
  Tensor y = c.out(0, x.type(), TRY(actual_dims(c)));
  const std::vector<int64_t> indices = c.ints(1);
  const Dims& d = x.dims();
  const Dims strides = d.strides();
  const auto batch = static_cast<int>(c.attrs<GatherNDAttrs>().batch_dims), depth = static_cast<int>(c.in(1).dims().back());
  const int64_t tuples = c.in(1).count() / depth, batches = d.count(0, batch), run = d.count(batch + depth, d.rank());
  for (int64_t t = 0; t < tuples; ++t) {
    int64_t from = t / (tuples / batches) * d.count(batch, d.rank());
    for (int k = 0; k < depth; ++k) {
      const int64_t index = indices[static_cast<size_t>(t * depth + k)];
      from += TRY(normalize_index(index, d[batch + k], batch + k)) * strides[batch + k];
    }
    copy_run(y, t * run, x, from, run);
  }
  return {};
}

using sample::constant;
using sample::counting;
using sample::ints;
using sample::numbers;

std::vector<Sample> gather_samples() {
  return {{"axis0", GatherAttrs{}, {{counting({5, 4, 3})}, {numbers(ElementType::i64, {2, 2}, {0, 4, 1, 1})}}},
          {"axis1_neg_indices", GatherAttrs{1}, {{counting({2, 5, 3})}, {numbers(ElementType::i32, {3}, {-1, 0, -5})}}},
          {"scalar_index", GatherAttrs{-1}, {{counting(ElementType::i64, {3, 4})}, constant(numbers(ElementType::i64, {}, {2}))}},
          {"embedding",
           GatherAttrs{0},
           {constant(counting(ElementType::f16, {30, 16})), {numbers(ElementType::i64, {1, 4}, {7, 29, 0, 7})}}},
          {"no_indices", GatherAttrs{0}, {{counting(ElementType::u8, {3, 2})}, {ints({})}}},
          {"string", GatherAttrs{0}, {{counting(ElementType::string, {3})}, {ints({2, 0})}}}};
}

std::vector<Sample> gather_elements_samples() {
  return {
      {"axis1", GatherAttrs{1}, {{counting({2, 2})}, {numbers(ElementType::i64, {2, 2}, {0, 0, 1, 0})}}},
      {"axis0_shorter", GatherAttrs{0}, {{counting({3, 3})}, {numbers(ElementType::i32, {2, 3}, {1, 2, 0, 2, 0, 0})}}},
      {"negative", GatherAttrs{-2}, {{counting(ElementType::i8, {3, 2})}, {numbers(ElementType::i64, {2, 2}, {-1, -2, -3, 0})}}},
      {"string", GatherAttrs{0}, {{counting(ElementType::string, {3})}, {ints({2, 2, 1, 0})}}}};
}

std::vector<Sample> gather_nd_samples() {
  return {{"elements", GatherNDAttrs{}, {{counting({2, 2})}, {numbers(ElementType::i64, {2, 2}, {0, 0, 1, 1})}}},
          {"rows", GatherNDAttrs{}, {{counting(ElementType::i32, {3, 4})}, {numbers(ElementType::i64, {2, 1}, {-1, 0})}}},
          {"batch", GatherNDAttrs{1}, {{counting({2, 3, 2})}, {numbers(ElementType::i64, {2, 1}, {1, 0})}}},
          {"batch_wide",
           GatherNDAttrs{1},
           {{counting(ElementType::f16, {2, 3, 4})}, {numbers(ElementType::i64, {2, 2, 1}, {1, 0, 2, 2})}}}};
}

/// In both domains the same.
Op gather_nd_op(std::vector<int> versions, std::string_view domain) {
  return Op("GatherND", std::move(versions), domain)
      .attrs<GatherNDAttrs>()
      .in("data", kDataTypes)
      .in("indices", domain.empty() ? types(ElementType::i64) : kIndex, 'I')
      .out("output")
      .infer(infer_gather_nd)
      .reference(run_gather_nd)
      .samples(gather_nd_samples)
      .doc("Slices chosen by tuples of indices.");
}
void gather_nd_alias(FunctionBody& b) {
  b.set(0, b.node("GatherND", b.attrs<GatherNDAttrs>(), {b.in(0), b.cast(b.in(1), ElementType::i64)}));
}

}  // namespace

OpFamily gather() {
  return {Op("Gather", {1, 11, 13})
              .attrs<GatherAttrs>()
              .in("data", kDataTypes)
              .in("indices", kIndex, 'I')
              .out("output")
              .infer(infer_gather)
              .reference(run_gather)
              .samples(gather_samples)
              .doc("Slices of an axis, chosen by index."),
          Op("GatherElements", {11, 13})
              .attrs<GatherAttrs>()
              .in("data", kDataTypes)
              .in("indices", kIndex, 'I')
              .out("output")
              .infer(infer_gather_elements)
              .reference(run_gather_elements)
              .samples(gather_elements_samples)
              .doc("Per output element one element of its line, chosen by index."),
          gather_nd_op({11, 12, 13}, ""), function<gather_nd_alias, GatherNDAttrs>(gather_nd_op({1}, "com.microsoft"))};
}

}  // namespace slipway::ops
