// Scatter, ScatterElements, ScatterND, TensorScatter.
#include "ops/scatter.hpp"

#include <complex>

#include "ops/moves.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

constexpr TypeSet kDataTypes = kNumeric | kBool | kString | kComplex;

Status check_reduction(std::string_view reduction, ElementType type) {
  if (reduction == "none") return {};
  if (reduction != "add" && reduction != "mul" && reduction != "max" && reduction != "min") {
    return fail(ErrorCode::invalid_model, "reduction '{}' is not one of none, add, mul, max, min", reduction);
  }
  const bool defined =
      contains(kString, type) ? reduction == "add" : !contains(kComplex, type) || reduction == "add" || reduction == "mul";
  if (!defined) {
    return fail(ErrorCode::unsupported, "reduction '{}' is not defined here for elements of type {}", reduction, name(type));
  }
  return {};
}

template <class T>
T reduce(std::string_view reduction, T a, T b) {
  if (reduction == "max") return a < b ? b : a;
  if (reduction == "min") return b < a ? b : a;
  if constexpr (std::is_same_v<T, double>) {
    return reduction == "add" ? a + b : a * b;
  } else {
    const auto x = static_cast<uint64_t>(a), y = static_cast<uint64_t>(b);  // wraps
    return static_cast<T>(reduction == "add" ? x + y : x * y);
  }
}

template <class T>
void reduce_complex(std::string_view reduction, Tensor& y, int64_t to, const Tensor& updates, int64_t from) {
  auto* a = y.as<std::complex<T>>() + to;
  const auto b = updates.as<std::complex<T>>()[from];
  *a = reduction == "add" ? *a + b : *a * b;
}

/// Element `from` of the updates goes to element `to` of y.
void apply(std::string_view reduction, Tensor& y, int64_t to, const Tensor& updates, int64_t from) {
  if (reduction == "none") {
    copy_element(y, to, updates, from);
  } else if (y.type() == ElementType::string) {
    y.as<std::string>()[to] += updates.as<std::string>()[from];
  } else if (y.type() == ElementType::c64) {
    reduce_complex<float>(reduction, y, to, updates, from);
  } else if (y.type() == ElementType::c128) {
    reduce_complex<double>(reduction, y, to, updates, from);
  } else {
    in_domain(y.type(), [&]<class T>(T) { store<T>(y, to, reduce(reduction, load<T>(y, to), load<T>(updates, from))); });
  }
}

Status infer_scatter_elements(InferContext& c) {
  const auto& attrs = c.attrs<ScatterAttrs>();
  TRY(check_reduction(attrs.reduction, c.type(0)));
  const Shape *data = c.shape(0), *indices = c.shape(1), *updates = c.shape(2);
  if (data != nullptr) {
    TRY(normalize_axis(attrs.axis, static_cast<int>(data->size())));
    if (indices != nullptr && indices->size() != data->size()) {
      return fail(ErrorCode::invalid_model, "data has the rank {} and indices {}; both must be equal", data->size(),
                  indices->size());
    }
  }
  if (indices != nullptr && updates != nullptr) {
    if (indices->size() != updates->size()) {
      return fail(ErrorCode::invalid_model, "indices have the rank {} and updates {}; both must be equal", indices->size(),
                  updates->size());
    }
    for (size_t i = 0; i < indices->size(); ++i) TRY(same_extent((*indices)[i], (*updates)[i], i));
  }
  c.set(0, c.type(0), data == nullptr ? std::nullopt : std::optional<Shape>(*data));
  return {};
}

Status run_scatter_elements(RefContext& c) {
  const auto& attrs = c.attrs<ScatterAttrs>();
  Tensor y = c.out(0, c.in(0).type(), TRY(actual_dims(c)));
  const Tensor &x = c.in(0), &updates = c.in(2);
  const std::vector<int64_t> indices = c.ints(1);
  const int rank = x.dims().rank(), axis = TRY(normalize_axis(attrs.axis, rank));
  for (int a = 0; a < rank; ++a) {
    if (a != axis && updates.dims()[a] > x.dims()[a]) {
      return fail(ErrorCode::invalid_model, "indices have {} elements on axis {}, data has {}", updates.dims()[a], a,
                  x.dims()[a]);
    }
  }
  copy_run(y, 0, x, 0, x.count());
  Dims strides = x.dims().strides();
  const int64_t stride = strides[axis], extent = x.dims()[axis];
  strides[axis] = 0;
  Status status;
  walk<1>(updates.dims(), {strides}, [&](int64_t n, const auto& at) {
    const Result<int64_t> index = normalize_index(indices[static_cast<size_t>(n)], extent, axis);
    if (index) {
      apply(attrs.reduction, y, at[0] + *index * stride, updates, n);
    } else {
      status = index.error();
    }
  });
  return status;
}

Status infer_scatter_nd(InferContext& c) {
  TRY(check_reduction(c.attrs<ScatterNDAttrs>().reduction, c.type(0)));
  const Shape *data = c.shape(0), *indices = c.shape(1), *updates = c.shape(2);
  c.set(0, c.type(0), data == nullptr ? std::nullopt : std::optional<Shape>(*data));
  if (indices != nullptr && indices->empty()) return fail(ErrorCode::invalid_model, "indices must have at least one axis");
  if (data == nullptr || indices == nullptr || !indices->back().known()) return {};
  const int64_t depth = indices->back().value();
  if (depth > static_cast<int64_t>(data->size())) {
    return fail(ErrorCode::invalid_model, "index tuples of {} elements for data of rank {}", depth, data->size());
  }
  Shape expected(indices->begin(), indices->end() - 1);
  expected.insert(expected.end(), data->begin() + depth, data->end());
  if (updates == nullptr) return {};
  if (updates->size() != expected.size()) {
    return fail(ErrorCode::invalid_model, "updates have the rank {}, by data and indices it must be {}", updates->size(),
                expected.size());
  }
  for (size_t i = 0; i < expected.size(); ++i) TRY(same_extent(expected[i], (*updates)[i], i));
  return {};
}

Status run_scatter_nd(RefContext& c) {
  const std::string& reduction = c.attrs<ScatterNDAttrs>().reduction;
  Tensor y = c.out(0, c.in(0).type(), TRY(actual_dims(c)));
  const Tensor &x = c.in(0), &updates = c.in(2);
  const std::vector<int64_t> indices = c.ints(1);
  const Dims strides = x.dims().strides();
  const auto depth = static_cast<int>(c.in(1).dims().back());
  const int64_t tuples = c.in(1).dims().count(0, c.in(1).dims().rank() - 1), run = x.dims().count(depth, x.dims().rank());
  copy_run(y, 0, x, 0, x.count());
  for (int64_t t = 0; t < tuples; ++t) {
    int64_t to = 0;
    for (int k = 0; k < depth; ++k) {
      to += TRY(normalize_index(indices[static_cast<size_t>(t * depth + k)], x.dims()[k], k)) * strides[k];
    }
    for (int64_t i = 0; i < run; ++i) apply(reduction, y, to + i, updates, t * run + i);
  }
  return {};
}

Status infer_tensor_scatter(InferContext& c) {
  const auto& attrs = c.attrs<TensorScatterAttrs>();
  if (attrs.mode != "linear" && attrs.mode != "circular") {
    return fail(ErrorCode::invalid_model, "mode '{}' is not one of linear, circular", attrs.mode);
  }
  const Shape *cache = c.shape(0), *update = c.shape(1), *indices = c.shape(2);
  c.set(0, c.type(0), cache == nullptr ? std::nullopt : std::optional<Shape>(*cache));
  if (cache == nullptr) return {};
  const auto axis = static_cast<size_t>(TRY(normalize_axis(attrs.axis, static_cast<int>(cache->size()))));
  if (axis == 0) return fail(ErrorCode::invalid_model, "axis 0 is the batch and cannot be the sequence axis");
  if (indices != nullptr) {
    if (indices->size() != 1)
      return fail(ErrorCode::invalid_model, "write_indices has the rank {}, it must be 1", indices->size());
    TRY(same_extent((*indices)[0], (*cache)[0], 0));
  }
  if (update == nullptr) return {};
  if (update->size() != cache->size()) {
    return fail(ErrorCode::invalid_model, "past_cache has the rank {} and update {}; both must be equal", cache->size(),
                update->size());
  }
  for (size_t i = 0; i < cache->size(); ++i) {
    if (i != axis) {
      TRY(same_extent((*cache)[i], (*update)[i], i));
    } else if ((*cache)[i].known() && (*update)[i].known() && (*update)[i].value() > (*cache)[i].value()) {
      return fail(ErrorCode::invalid_model, "the update has {} steps, the cache only {}", (*update)[i].value(),
                  (*cache)[i].value());
    }
  }
  return {};
}

Status run_tensor_scatter(RefContext& c) {
  const auto& attrs = c.attrs<TensorScatterAttrs>();
  Tensor y = c.out(0, c.in(0).type(), TRY(actual_dims(c)));
  const Tensor &cache = c.in(0), &update = c.in(1);
  const Dims& d = cache.dims();
  const int axis = TRY(normalize_axis(attrs.axis, d.rank()));
  const std::vector<int64_t> starts = c.has(2) ? c.ints(2) : std::vector<int64_t>(static_cast<size_t>(d[0]), 0);
  const int64_t outer = d.count(0, axis), per_batch = d.count(1, axis), inner = d.count(axis + 1, d.rank());
  const int64_t most = d[axis], steps = update.dims()[axis];
  copy_run(y, 0, cache, 0, cache.count());
  for (int64_t o = 0; o < outer; ++o) {
    const int64_t start = starts[static_cast<size_t>(o / per_batch)];
    const bool circular = attrs.mode == "circular";
    if (start < 0 || (!circular && start > most - steps)) return index_fault(start, most, axis);
    for (int64_t s = 0; s < steps; ++s) {
      const int64_t step = circular ? (start % most + s) % most : start + s;
      copy_run(y, (o * most + step) * inner, update, (o * steps + s) * inner, inner);
    }
  }
  return {};
}

using sample::counting;
using sample::ints;
using sample::numbers;

std::vector<Sample> scatter_samples() {
  const Tensor indices = numbers(ElementType::i64, {2, 3}, {1, 0, 2, 0, 2, 1});
  return {
      {"axis0", ScatterAttrs{}, {{Tensor(ElementType::f32, {3, 3})}, {indices}, {counting({2, 3}, 1)}}},
      {"negative_axis",
       ScatterAttrs{-1},
       {{counting(ElementType::i32, {2, 3})}, {indices}, {counting(ElementType::i32, {2, 3}, 90)}}},
      {"negative_index",
       ScatterAttrs{1},
       {{counting(ElementType::f16, {1, 5})},
        {numbers(ElementType::i32, {1, 2}, {1, -3})},
        {counting(ElementType::f16, {1, 2}, 7)}}},
      {"string", ScatterAttrs{}, {{counting(ElementType::string, {3})}, {ints({2})}, {counting(ElementType::string, {1}, 8)}}}};
}

std::vector<Sample> scatter_elements_samples() {
  std::vector<Sample> out = scatter_samples();
  const Tensor twice = numbers(ElementType::i64, {1, 2}, {1, 1});
  for (const char* reduction : {"add", "mul", "max", "min"}) {
    out.push_back({reduction, ScatterAttrs{1, reduction}, {{counting({1, 5}, -2)}, {twice}, {counting({1, 2}, 3)}}});
  }
  out.push_back({"add_bytes_wrap",
                 ScatterAttrs{1, "add"},
                 {{counting(ElementType::u8, {1, 5}, 250)}, {twice}, {counting(ElementType::u8, {1, 2}, 3)}}});
  return out;
}

std::vector<Sample> scatter_nd_samples() {
  const Tensor rows = numbers(ElementType::i64, {2, 1}, {0, -1});
  return {
      {"elements", ScatterNDAttrs{}, {{counting({8})}, {numbers(ElementType::i64, {4, 1}, {4, 3, 1, 7})}, {counting({4}, 9)}}},
      {"rows", ScatterNDAttrs{}, {{counting(ElementType::i64, {3, 4})}, {rows}, {counting(ElementType::i64, {2, 4}, 50)}}},
      {"add_rows",
       ScatterNDAttrs{"add"},
       {{counting({3, 4})}, {numbers(ElementType::i64, {2, 1}, {1, 1})}, {counting({2, 4}, 50)}}},
      {"max_f16", ScatterNDAttrs{"max"}, {{counting(ElementType::f16, {3, 2})}, {rows}, {counting(ElementType::f16, {2, 2}, 2)}}},
      {"nothing", ScatterNDAttrs{}, {{counting({3})}, {Tensor(ElementType::i64, {0, 1})}, {Tensor(ElementType::f32, {0})}}}};
}

std::vector<Sample> tensor_scatter_samples() {
  return {{"linear", TensorScatterAttrs{}, {{counting({2, 1, 4, 3})}, {counting({2, 1, 2, 3}, 100)}, {ints({1, 2})}}},
          {"circular",
           TensorScatterAttrs{"circular"},
           {{counting(ElementType::f16, {2, 4, 3})}, {counting(ElementType::f16, {2, 2, 3}, 100)}, {ints({1, 3})}}},
          {"prefill", TensorScatterAttrs{"linear", 1}, {{counting({1, 4, 3})}, {counting({1, 4, 3}, 100)}}}};
}

}  // namespace

OpFamily scatter() {
  return {Op("Scatter", {9, 11})
              .attrs<ScatterAttrs>()
              .in("data", kDataTypes)
              .in("indices", kIndex, 'I')
              .in("updates", kDataTypes)
              .out("output")
              .infer(infer_scatter_elements)
              .reference(run_scatter_elements)
              .samples(scatter_samples)
              .doc("The earlier name of ScatterElements."),
          Op("ScatterElements", {11, 13, 16, 18})
              .attrs<ScatterAttrs>()
              .in("data", kDataTypes)
              .in("indices", kIndex, 'I')
              .in("updates", kDataTypes)
              .out("output")
              .infer(infer_scatter_elements)
              .reference(run_scatter_elements)
              .samples(scatter_elements_samples)
              .doc("The data with single elements replaced or reduced by index along an axis."),
          Op("ScatterND", {11, 13, 16, 18})
              .attrs<ScatterNDAttrs>()
              .in("data", kDataTypes)
              .in("indices", types(ElementType::i64), 'I')
              .in("updates", kDataTypes)
              .out("output")
              .infer(infer_scatter_nd)
              .reference(run_scatter_nd)
              .samples(scatter_nd_samples)
              .doc("The data with slices replaced or reduced, chosen by tuples of indices."),
          Op("TensorScatter", {24})
              .attrs<TensorScatterAttrs>()
              .in("past_cache", kDataTypes | kFloat8 | types(ElementType::u4, ElementType::i4, ElementType::f4e2m1))
              .in("update", kDataTypes | kFloat8 | types(ElementType::u4, ElementType::i4, ElementType::f4e2m1))
              .opt("write_indices", types(ElementType::i64), 'I')
              .out("present_cache")
              .infer(infer_tensor_scatter)
              .reference(run_tensor_scatter)
              .samples(tensor_scatter_samples)
              .doc("A key-value cache with new steps written at each batch row's position.")};
}

}  // namespace slipway::ops
