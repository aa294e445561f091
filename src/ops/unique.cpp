// Unique.
#include <algorithm>
#include <numeric>

#include "ops/element_order.hpp"
#include "ops/function.hpp"
#include "ops/moves.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

struct UniqueAttrs {
  std::optional<int64_t> axis;  ///< absent: the elements of the flat input; else its slices
  bool sorted = true;           ///< else in the order of their first place
  bool operator==(const UniqueAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("axis", &UniqueAttrs::axis), field("sorted", &UniqueAttrs::sorted)}; }
};

Status infer_unique(InferContext& c) {
  const auto axis = c.attrs<UniqueAttrs>().axis;
  std::optional<Shape> out;
  if (!axis) {
    out = Shape{Dim::unknown()};
  } else if (const Shape* in = c.shape(0)) {
    out = *in;
    (*out)[static_cast<size_t>(TRY(normalize_axis(*axis, static_cast<int>(in->size()))))] = Dim::unknown();
  }
  c.set(0, c.type(0), std::move(out));
  for (size_t i = 1; i < 4; ++i) c.set(i, ElementType::i64, Shape{Dim::unknown()});
  return {};
}

void put(RefContext& c, size_t i, const std::vector<int64_t>& values) {
  if (c.wants(i)) c.set(i, Tensor::vector(values));
}

Status run_unique(RefContext& c) {
  const auto& attrs = c.attrs<UniqueAttrs>();
  const Tensor x = attrs.axis ? c.in(0) : c.in(0).reshaped({c.in(0).count()});
  const int rank = x.dims().rank(), axis = TRY(normalize_axis(attrs.axis.value_or(0), rank));
  const int64_t extent = x.dims()[axis], outer = x.dims().count(0, axis), inner = x.dims().count(axis + 1, rank);
  const auto compare = [&](int64_t a, int64_t b) {
    for (int64_t o = 0; o < outer; ++o) {
      for (int64_t i = 0; i < inner; ++i) {
        const int order = compare_elements(x, (o * extent + a) * inner + i, (o * extent + b) * inner + i);
        if (order != 0) return order;
      }
    }
    return 0;
  };
  std::vector<int64_t> order(static_cast<size_t>(extent));
  std::iota(order.begin(), order.end(), int64_t{0});
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return compare(a, b) < 0; });

  std::vector<int64_t> first;                              // of each group: its first slice
  std::vector<size_t> group(static_cast<size_t>(extent));  // of each slice
  for (size_t k = 0; k < order.size(); ++k) {
    if (k == 0 || compare(order[k - 1], order[k]) != 0) first.push_back(order[k]);
    group[static_cast<size_t>(order[k])] = first.size() - 1;
  }
  std::vector<size_t> ranking(first.size());  // output positions, as group numbers
  std::iota(ranking.begin(), ranking.end(), size_t{0});
  if (!attrs.sorted) std::sort(ranking.begin(), ranking.end(), [&](size_t a, size_t b) { return first[a] < first[b]; });

  Dims dims = x.dims();
  dims[axis] = static_cast<int64_t>(first.size());
  Tensor y = c.out(0, x.type(), dims);
  std::vector<int64_t> indices, inverse, counts(first.size(), 0), position(first.size());
  for (size_t k = 0; k < ranking.size(); ++k) {
    const int64_t slice = first[ranking[k]];
    for (int64_t o = 0; o < outer; ++o) {
      copy_run(y, (o * dims[axis] + static_cast<int64_t>(k)) * inner, x, (o * extent + slice) * inner, inner);
    }
    indices.push_back(slice);
    position[ranking[k]] = static_cast<int64_t>(k);
  }
  for (const size_t g : group) {
    inverse.push_back(position[g]);
    ++counts[static_cast<size_t>(position[g])];
  }
  put(c, 1, indices);
  put(c, 2, inverse);
  put(c, 3, counts);
  return {};
}

std::vector<Sample> samples() {
  using sample::numbers;
  return {{"flat", UniqueAttrs{}, {{sample::floats({6}, {2, 1, 1, 3, 4, 3})}}, 4},
          {"not_sorted", UniqueAttrs{std::nullopt, false}, {{numbers(ElementType::i64, {2, 3}, {2, 1, 1, 3, 4, 3})}}, 4},
          {"rows", UniqueAttrs{0}, {{numbers(ElementType::f16, {3, 3}, {1, 0, 0, 1, 0, 0, 2, 3, 4})}}, 4},
          {"columns", UniqueAttrs{-1}, {{numbers(ElementType::i8, {2, 4}, {1, 0, 1, 0, 2, 5, 2, 5})}}, 2},
          {"string", UniqueAttrs{}, {{sample::strings({4}, {"b", "a", "b", ""})}}, 1},
          {"empty", UniqueAttrs{}, {{sample::counting({0})}}, 4}};
}

/// com.microsoft's: a line's elements in the order of their first place, where each input element stands among them, and counts.
void in_order_body(FunctionBody& b) {
  const std::vector<ir::ValueId> all = b.nodes("Unique", UniqueAttrs{std::nullopt, false}, {b.in(0)}, 4);
  b.set(0, all[0]);
  b.set(1, all[2]);
  b.set(2, all[3]);
}
std::vector<Sample> in_order_samples() {
  return {{"numbers", NoAttrs{}, {{sample::floats({6}, {2, 1, 1, 3, 4, 3})}}, 3},
          {"words", NoAttrs{}, {{sample::strings({3}, {"b", "a", "b"})}}, 3}};
}

}  // namespace

OpFamily unique() {
  constexpr TypeSet kInt64 = types(ElementType::i64);
  return {Op("Unique", {11, 28})
              .attrs<UniqueAttrs>()
              .in("X", kNumeric | kBool | kString | kComplex)
              .out("Y")
              .opt_out("indices", kInt64, 'I')
              .opt_out("inverse_indices", kInt64, 'I')
              .opt_out("counts", kInt64, 'I')
              .flag(ir::OpInfo::kDataDependent)
              .infer(infer_unique)
              .reference(run_unique)
              .samples(samples)
              .doc("The different elements or slices, where each first stands, and how often."),
          function<in_order_body>(Op("Unique", {1}, "com.microsoft")
                                      .in("x", kNumeric | kBool | kString | kComplex)
                                      .out("y")
                                      .out("idx", kInt64, 'I')
                                      .out("counts", kInt64, 'I'))
              .flag(ir::OpInfo::kDataDependent)
              .samples(in_order_samples)
              .doc("The different elements in the order of their first place.")};
}

}  // namespace slipway::ops
