// Where.
#include "ops/moves.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

constexpr TypeSet kDataTypes = kNumeric | kBool | kString | kComplex;

Status infer_where(InferContext& c) {
  const Shape *condition = c.shape(0), *x = c.shape(1), *y = c.shape(2);
  std::optional<Shape> out;
  if (condition != nullptr && x != nullptr && y != nullptr) {
    const Shape values = TRY(broadcast(*x, *y));
    out = TRY(broadcast(values, *condition));
  }
  c.set(0, c.type(1), std::move(out));
  return {};
}

Status run_where(RefContext& c) {
  const Tensor &x = c.in(1), &y = c.in(2);
  Tensor out = c.out(0, x.type(), TRY(actual_dims(c)));
  const Dims& d = out.dims();
  const auto* chosen = c.in(0).as<uint8_t>();
  walk<3>(d, {broadcast_strides(c.in(0).dims(), d), broadcast_strides(x.dims(), d), broadcast_strides(y.dims(), d)},
          [&](int64_t n, const auto& at) {
            const bool first = chosen[at[0]] != 0;
            copy_element(out, n, first ? x : y, first ? at[1] : at[2]);
          });
  return {};
}

std::vector<Sample> samples() {
  using sample::counting;
  const auto flags = [](const Dims& d) { return counting(ElementType::boolean, d); };
  return {{"same", NoAttrs{}, {{flags({2, 3})}, {counting({2, 3})}, {counting({2, 3}, 50)}}},
          {"broadcast",
           NoAttrs{},
           {{flags({3, 1})}, {counting(ElementType::f16, {1, 4})}, {counting(ElementType::f16, {2, 1, 1}, 50)}}},
          {"scalar", NoAttrs{}, {{flags({5})}, {counting(ElementType::i64, {5})}, {counting(ElementType::i64, {}, -1)}}},
          {"empty", NoAttrs{}, {{flags({0})}, {counting({1})}, {counting({})}}},
          {"string", NoAttrs{}, {{flags({2})}, {counting(ElementType::string, {2})}, {counting(ElementType::string, {2}, 5)}}}};
}

}  // namespace

OpFamily where() {
  return {Op("Where", {9, 16})
              .in("condition", kBool, 'B')
              .in("X", kDataTypes)
              .in("Y", kDataTypes)
              .out("output")
              .flag(ir::OpInfo::kElementwise)
              .infer(infer_where)
              .reference(run_where)
              .samples(samples)
              .doc("X where the condition is true, else Y; all three broadcast.")};
}

}  // namespace slipway::ops
