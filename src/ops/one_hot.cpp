// OneHot.
#include "ops/one_hot.hpp"

#include "ops/moves.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

Result<int64_t> depth_of(const Tensor& t) {
  if (t.count() != 1) return fail(ErrorCode::invalid_model, "depth has {} elements, it must have 1", t.count());
  const int64_t depth = load<int64_t>(t, 0);
  if (depth < 1 || depth > kMaxElements) return fail(ErrorCode::invalid_model, "depth {} is out of range", depth);
  return depth;
}

Status infer_one_hot(InferContext& c) {
  if (const Shape* values = c.shape(2)) {
    if (values->size() != 1 || ((*values)[0].known() && (*values)[0].value() != 2)) {
      return fail(ErrorCode::invalid_model, "values must be the two elements off and on");
    }
  }
  std::optional<Shape> out;
  if (const Shape* in = c.shape(0)) {
    out = *in;
    const int axis = TRY(normalize_axis(c.attrs<OneHotAttrs>().axis, static_cast<int>(in->size()) + 1));
    out->insert(out->begin() + axis, c.value(1) != nullptr ? Dim(TRY(depth_of(*c.value(1)))) : Dim::unknown());
    TRY(check_size(*out));
  }
  c.set(0, c.type(2), std::move(out));
  return {};
}

Status run_one_hot(RefContext& c) {
  const Tensor &indices = c.in(0), &values = c.in(2);
  Tensor y = c.out(0, values.type(), TRY(actual_dims(c)));
  const int rank = y.dims().rank(), axis = TRY(normalize_axis(c.attrs<OneHotAttrs>().axis, rank));
  const int64_t depth = y.dims()[axis], inner = y.dims().count(axis + 1, rank);
  for (int64_t n = 0; n < y.count(); ++n) {
    const int64_t row = n / inner / depth, index = load<int64_t>(indices, row * inner + n % inner);
    const int64_t level = n / inner % depth;
    copy_element(y, n, values, level == (index < 0 ? index + depth : index) ? 1 : 0);
  }
  return {};
}

std::vector<Sample> samples() {
  using sample::constant;
  using sample::floats;
  using sample::numbers;
  using E = ElementType;
  return {{"last_axis",
           OneHotAttrs{},
           {{numbers(E::i64, {3}, {0, 7, 8})}, constant(numbers(E::i64, {1}, {10})), {floats({2}, {1, 3})}}},
          {"axis1",
           OneHotAttrs{1},
           {{numbers(E::f32, {2, 2}, {1, 9, 2, 4})}, constant(numbers(E::f32, {}, {10})), {numbers(E::i32, {2}, {0, 1})}}},
          {"negative_indices",
           OneHotAttrs{-2},
           {{numbers(E::i32, {2}, {-1, -4})}, constant(numbers(E::i32, {}, {3})), {numbers(E::f16, {2}, {-1, 2})}}},
          {"string",
           OneHotAttrs{0},
           {{numbers(E::u8, {2}, {1, 0})}, constant(numbers(E::u8, {}, {2})), {sample::strings({2}, {"off", "on"})}}}};
}

}  // namespace

OpFamily one_hot() {
  constexpr TypeSet kCounts = kNumeric & ~types(ElementType::bf16);
  return {Op("OneHot", {9, 11, 28})
              .attrs<OneHotAttrs>()
              .in("indices", kCounts, 'X')
              .in("depth", kCounts, 'D')
              .in("values", kNumeric | kBool | kString | kComplex)
              .out("output")
              .reads_value(1)
              .infer(infer_one_hot)
              .reference(run_one_hot)
              .samples(samples)
              .doc("A new axis that is on at each index and off elsewhere.")};
}

}  // namespace slipway::ops
