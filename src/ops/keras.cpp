// Small operators of com.microsoft that converters of Keras and TensorFlow models write.
#include "ops/function.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

constexpr TypeSet kCounted = types(E::f32, E::f64, E::i16, E::i32, E::i64);

/// The one number of a tensor [] or [1], as a scalar.
ir::ValueId scalar(FunctionBody& b, size_t i) {
  return b.node("Reshape", {b.in(i), b.ints({})});
}

void range_body(FunctionBody& b) {
  const ir::ValueId step = b.has(2) ? scalar(b, 2) : b.number(b.type(b.in(0)), 1);
  b.set(0, b.node("Range", {scalar(b, 0), scalar(b, 1), step}));
}

void expand_dims_body(FunctionBody& b) {
  const ir::ValueId axis = b.cast(b.node("Reshape", {b.in(1), b.ints({1})}), E::i64);
  b.set(0, b.node("Unsqueeze", {b.in(0), axis}));
}

std::vector<Sample> range_samples() {
  const auto number = [](ElementType t, const Dims& dims, double v) { return sample::constant(sample::numbers(t, dims, {v})); };
  return {{"by_one", {}, {number(E::i32, {}, 2), number(E::i32, {}, 6)}},
          {"by_half", {}, {number(E::f32, {1}, 2), number(E::f32, {1}, 0), number(E::f32, {1}, -0.5)}}};
}
std::vector<Sample> expand_dims_samples() {
  return {{"last", {}, {{sample::noise({2, 3})}, sample::constant(sample::numbers(E::i32, {}, {-1}))}}};
}

}  // namespace

OpFamily keras() {
  OpFamily family;
  family.push_back(
      function<range_body>(
          Op("Range", {1}, "com.microsoft").in("start", kCounted).in("limit", kCounted).opt("delta", kCounted).out("Y"))
          .reads_value(0, 1, 2)
          .samples(range_samples)
          .doc("Numbers from start up to limit by delta."));
  family.push_back(
      function<expand_dims_body>(Op("ExpandDims", {1}, "com.microsoft").in("X", kAll).in("axis", types(E::i32), 'I').out("Y"))
          .reads_value(1)
          .samples(expand_dims_samples)
          .doc("One axis of extent 1 more."));
  return family;
}

}  // namespace slipway::ops
