// Slice.
#include "ops/slice.hpp"

#include <limits>

#include "ops/moves.hpp"
#include "ops/onnx_node.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

/// The extent of one sliced axis; start and end may be unknown. A range over the whole axis keeps a symbol.
Dim sliced(Dim extent, const int64_t* start, const int64_t* end, int64_t step) {
  constexpr int64_t kFar = std::numeric_limits<int32_t>::max();
  if (start == nullptr || end == nullptr) return extent.known() && extent.value() == 0 ? extent : Dim::unknown();
  if (extent.known()) return slice_range(extent.value(), *start, *end, step).count;
  if (step == 1 && *start == 0 && *end >= kFar) return extent;
  if (step == -1 && *end <= -kFar && (*start == -1 || *start >= kFar)) return extent;
  return Dim::unknown();
}

Status infer_slice(InferContext& c) {
  const Shape* in = c.shape(0);
  const auto starts = c.ints(1), ends = c.ints(2), steps = c.ints(4);
  auto axes = c.ints(3);
  if (in == nullptr) {
    c.set(0, c.type(0));
    return {};
  }
  const auto rank = static_cast<int>(in->size());
  Shape out(in->size(), Dim::unknown());
  if (!c.has_input(3)) {  // axes 0, 1, ...: as many as there are starts
    size_t count = in->size();
    if (starts) {
      count = starts->size();
    } else if (const Shape* list = c.shape(1); list != nullptr && list->size() == 1 && (*list)[0].known()) {
      count = static_cast<size_t>((*list)[0].value());
    }
    if (count > in->size()) return fail(ErrorCode::invalid_model, "{} axes are sliced of an input of rank {}", count, rank);
    axes.emplace();
    for (size_t i = 0; i < count; ++i) axes->push_back(static_cast<int64_t>(i));
  }
  if (axes) {
    const size_t n = axes->size();
    if ((starts && starts->size() != n) || (ends && ends->size() != n) || (steps && steps->size() != n)) {
      return fail(ErrorCode::invalid_model, "starts, ends, axes and steps differ in length ({} axes)", n);
    }
    out = *in;
    std::vector<bool> seen(in->size(), false);
    for (size_t i = 0; i < n; ++i) {
      const auto axis = static_cast<size_t>(TRY(normalize_axis((*axes)[i], rank)));
      if (seen[axis]) return fail(ErrorCode::invalid_model, "axis {} is sliced twice", axis);
      seen[axis] = true;
      if (steps && (*steps)[i] == 0) return fail(ErrorCode::invalid_model, "the step of axis {} is 0", axis);
      const bool known = starts && ends && (steps || !c.has_input(4));
      out[axis] = sliced(out[axis], known ? &(*starts)[i] : nullptr, known ? &(*ends)[i] : nullptr, steps ? (*steps)[i] : 1);
    }
  }
  c.set(0, c.type(0), std::move(out));
  return {};
}

Status run_slice(RefContext& c) {
  const Tensor& x = c.in(0);
  const auto list = [&](size_t i) { return c.has(i) ? c.ints(i) : std::vector<int64_t>{}; };
  Tensor y = c.out(0, x.type(), TRY(actual_dims(c)));
  const std::vector<SliceRange> ranges = TRY(slice_ranges(x.dims(), list(1), list(2), list(3), list(4)));
  Dims strides = x.dims().strides();
  int64_t origin = 0;
  for (int a = 0; a < strides.rank(); ++a) {
    const SliceRange& r = ranges[static_cast<size_t>(a)];
    origin += r.start * strides[a];
    strides[a] *= r.count > 1 ? r.step : 0;
  }
  walk<1>(y.dims(), {strides}, [&](int64_t n, const auto& at) { copy_element(y, n, x, origin + at[0]); });
  return {};
}

Status upgrade_slice(OnnxNode& n) {
  if (n.version >= 10) return {};
  n.ints_to_input("starts", 1);
  n.ints_to_input("ends", 2);
  n.ints_to_input("axes", 3);
  return {};
}

std::vector<Sample> samples() {
  using sample::constant;
  using sample::counting;
  using sample::ints;
  using sample::numbers;
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max(), kMin = std::numeric_limits<int64_t>::min();
  return {
      {"two_axes", NoAttrs{}, {{counting({20, 10, 5})}, constant(ints({0, 0})), constant(ints({3, 10})), constant(ints({0, 1}))}},
      {"default_axes", NoAttrs{}, {{counting(ElementType::f16, {6, 7})}, constant(ints({1, 0})), constant(ints({kMax, 3}))}},
      {"steps",
       NoAttrs{},
       {{counting(ElementType::i64, {4, 9})},
        constant(ints({1, 0})),
        constant(ints({4, kMax})),
        constant(ints({0, 1})),
        constant(ints({2, 3}))}},
      {"backwards",
       NoAttrs{},
       {{counting({3, 8})}, constant(ints({-1})), constant(ints({kMin})), constant(ints({-1})), constant(ints({-2}))}},
      {"out_of_bounds", NoAttrs{}, {{counting(ElementType::u8, {5, 4})}, constant(ints({-100, 1})), constant(ints({3, 1000}))}},
      {"empty", NoAttrs{}, {{counting({5, 4})}, constant(ints({3})), constant(ints({3})), constant(ints({0}))}},
      {"i32_at_run_time",
       NoAttrs{},
       {{counting(ElementType::string, {5})},
        {numbers(ElementType::i32, {1}, {1})},
        {numbers(ElementType::i32, {1}, {-1})},
        {numbers(ElementType::i32, {1}, {0})}}}};
}

}  // namespace

OpFamily slice() {
  return {Op("Slice", {1, 10, 11, 13})
              .in("data", kNumeric | kBool | kString | kComplex)
              .in("starts", kIndex, 'I')
              .in("ends", kIndex, 'I')
              .opt("axes", kIndex, 'I')
              .opt("steps", kIndex, 'I')
              .out("output")
              .reads_value(1, 2, 3, 4)
              .infer(infer_slice)
              .reference(run_slice)
              .samples(samples)
              .upgrade(upgrade_slice)
              .doc("A range of each axis: start, end and step.")};
}

}  // namespace slipway::ops
