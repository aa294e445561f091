// Range and EyeLike: tensors made of numbers alone.
#include <cmath>

#include "ops/elementwise.hpp"
#include "ops/moves.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

struct RangeAttrs {
  int64_t stash_type = 1;  ///< f16 and bf16 are always computed wide and rounded once; nothing else is meant by it
  bool operator==(const RangeAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("stash_type", &RangeAttrs::stash_type)}; }
};

/// max(ceil((limit - start) / delta), 0).
Result<int64_t> range_count(const Tensor& start, const Tensor& limit, const Tensor& delta) {
  if (start.count() != 1 || limit.count() != 1 || delta.count() != 1) {
    return fail(ErrorCode::invalid_model, "start, limit and delta must have one element each");
  }
  if (is_float(start.type())) {
    const double step = load<double>(delta, 0), count = std::ceil((load<double>(limit, 0) - load<double>(start, 0)) / step);
    if (step == 0 || std::isnan(count))
      return fail(ErrorCode::data_fault, "a range from start to limit by delta 0 or NaN does not end");
    if (count > static_cast<double>(kMaxElements))
      return fail(ErrorCode::limit, "the range has {} elements, the limit is {}", count, kMaxElements);
    return count < 0 ? 0 : static_cast<int64_t>(count);
  }
  const int64_t from = load<int64_t>(start, 0), to = load<int64_t>(limit, 0), step = load<int64_t>(delta, 0);
  if (step == 0) return fail(ErrorCode::data_fault, "a range by delta 0 does not end");
  if (step > 0 ? from >= to : from <= to) return 0;
  const uint64_t distance = step > 0 ? static_cast<uint64_t>(to) - static_cast<uint64_t>(from)
                                     : static_cast<uint64_t>(from) - static_cast<uint64_t>(to);
  const uint64_t stride = step > 0 ? static_cast<uint64_t>(step) : uint64_t{0} - static_cast<uint64_t>(step);
  const uint64_t count = (distance - 1) / stride + 1;
  if (count > static_cast<uint64_t>(kMaxElements))
    return fail(ErrorCode::limit, "the range has {} elements, the limit is {}", count, kMaxElements);
  return static_cast<int64_t>(count);
}

Status infer_range(InferContext& c) {
  Dim count = Dim::unknown();
  if (c.value(0) != nullptr && c.value(1) != nullptr && c.value(2) != nullptr) {
    count = TRY(range_count(*c.value(0), *c.value(1), *c.value(2)));
  }
  c.set(0, c.type(0), Shape{count});
  return {};
}

Status run_range(RefContext& c) {
  Tensor y = c.out(0, c.in(0).type(), TRY(actual_dims(c)));
  for (int64_t i = 0; i < y.count(); ++i) {
    if (is_float(y.type())) {
      store<double>(y, i, load<double>(c.in(0), 0) + static_cast<double>(i) * load<double>(c.in(2), 0));
    } else {  // wraps as the type does
      store<uint64_t>(y, i, load<uint64_t>(c.in(0), 0) + static_cast<uint64_t>(i) * load<uint64_t>(c.in(2), 0));
    }
  }
  return {};
}

struct EyeLikeAttrs {
  std::optional<ElementType> dtype;  ///< absent: the input's
  int64_t k = 0;                     ///< the diagonal: above the main one when positive
  bool operator==(const EyeLikeAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("dtype", &EyeLikeAttrs::dtype), field("k", &EyeLikeAttrs::k)}; }
};

constexpr TypeSet kEyeTypes = kNumeric | kBool;

Status infer_eye_like(InferContext& c) {
  const auto& attrs = c.attrs<EyeLikeAttrs>();
  if (attrs.dtype && !contains(kEyeTypes, *attrs.dtype)) {
    return fail(ErrorCode::invalid_model, "dtype {} is not a plain number", name(*attrs.dtype));
  }
  const Shape* in = c.shape(0);
  if (in != nullptr && in->size() != 2)
    return fail(ErrorCode::invalid_model, "the input has the rank {}, it must be 2", in->size());
  return infer_like_input(c, attrs.dtype.value_or(ElementType::undefined));
}

Status run_eye_like(RefContext& c) {
  const auto& attrs = c.attrs<EyeLikeAttrs>();
  Tensor y = c.out(0, attrs.dtype.value_or(c.in(0).type()), TRY(actual_dims(c)));
  const int64_t rows = y.dims()[0], columns = y.dims()[1];
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) {
      const bool one = j - i == attrs.k;
      in_domain(y.type(), [&]<class T>(T) { store<T>(y, i * columns + j, static_cast<T>(one ? 1 : 0)); });
    }
  }
  return {};
}

using sample::constant;
using sample::counting;
using sample::numbers;

std::vector<Sample> range_samples() {
  const auto range = [](ElementType t, double start, double limit, double delta, bool fixed) {
    return std::vector<SampleInput>{
        {numbers(t, {}, {start}), fixed}, {numbers(t, {}, {limit}), fixed}, {numbers(t, {}, {delta}), fixed}};
  };
  return {{"up", RangeAttrs{}, range(ElementType::i64, 1, 10, 3, true)},
          {"down", RangeAttrs{}, range(ElementType::i32, 10, 4, -2, true)},
          {"f32", RangeAttrs{}, range(ElementType::f32, 0, 1, 0.3, true)},
          {"f16", RangeAttrs{}, range(ElementType::f16, -1, 1, 0.25, true)},
          {"empty", RangeAttrs{}, range(ElementType::i16, 3, 3, 1, true)},
          {"at_run_time", RangeAttrs{}, range(ElementType::i64, 0, 5, 1, false)}};
}

std::vector<Sample> eye_like_samples() {
  return {{"square", EyeLikeAttrs{}, {{counting(ElementType::i32, {3, 3})}}},
          {"above", EyeLikeAttrs{ElementType::f64, 1}, {{counting({3, 4})}}},
          {"below", EyeLikeAttrs{ElementType::boolean, -1}, {{counting(ElementType::f16, {4, 2})}}}};
}

}  // namespace

OpFamily range() {
  constexpr TypeSet kRangeTypes = kFloat | types(ElementType::i16, ElementType::i32, ElementType::i64);
  return {Op("Range", {11, 27})
              .attrs<RangeAttrs>()
              .in("start", kRangeTypes)
              .in("limit", kRangeTypes)
              .in("delta", kRangeTypes)
              .out("output")
              .reads_value(0, 1, 2)
              .infer(infer_range)
              .reference(run_range)
              .samples(range_samples)
              .doc("Numbers from start up to limit by delta."),
          Op("EyeLike", {9, 22})
              .attrs<EyeLikeAttrs>()
              .in("input", kEyeTypes, 'X')
              .out("output", kEyeTypes, 'Y')
              .infer(infer_eye_like)
              .reference(run_eye_like)
              .samples(eye_like_samples)
              .doc("Ones on a diagonal, zeros elsewhere, in the shape of the input.")};
}

}  // namespace slipway::ops
