// Clip: min and max as inputs since version 11, attributes before.
#include <limits>

#include "ops/elementwise.hpp"
#include "ops/onnx_node.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

Status infer_clip(InferContext& c) {
  for (size_t i : {1, 2}) {
    const Shape* shape = c.shape(i);
    if (shape == nullptr) continue;
    const bool one = shape->empty() || (shape->size() == 1 && (!shape->front().known() || shape->front() == Dim(1)));
    if (!one) return Error(ErrorCode::invalid_model, "min and max must be scalars");
  }
  return infer_same(c);
}

Status run_clip(RefContext& c) {
  for (size_t i : {1, 2}) {
    if (c.has(i) && c.in(i).count() != 1) return Error(ErrorCode::invalid_argument, "min and max must be scalars");
  }
  const ElementType type = c.in(0).type();
  if (is_float(type)) {
    const double inf = std::numeric_limits<double>::infinity();
    const double low = c.has(1) ? c.doubles(1)[0] : -inf, high = c.has(2) ? c.doubles(2)[0] : inf;
    return map_floats(c, [&](double x) {
      const double raised = x < low ? low : x;
      return raised > high ? high : raised;
    });
  }
  const IntegerRange range = integer_range(type);
  const int64_t low = c.has(1) ? load<int64_t>(c.in(1), 0) : range.low, high = c.has(2) ? load<int64_t>(c.in(2), 0) : range.high;
  return map_integers(c, [&](int64_t x) {
    const int64_t raised = integer_less(type, x, low) ? low : x;
    return integer_less(type, high, raised) ? high : raised;
  });
}

Status upgrade_clip(OnnxNode& node) {
  node.drop("consumed_inputs");
  if (node.version >= 11) return {};
  if (node.fact(0).type == ElementType::undefined && (node.has("min") || node.has("max"))) {
    return Error(ErrorCode::unsupported, "Clip with its limits as attributes needs an input of known type");
  }
  node.float_to_input("min", 1);
  node.float_to_input("max", 2);
  return {};
}

std::vector<Sample> samples() {
  std::vector<Sample> out;
  for (ElementType t : {E::f32, E::f16, E::bf16, E::f64, E::i32, E::i8, E::i64, E::u8, E::u64}) {
    out.push_back({std::string(name(t)),
                   {},
                   {{sample::random(t, {3, 17}, is_unsigned_integer(t) ? 0 : -9, 9)},
                    {sample::numbers(t, {}, {2}), true},
                    {sample::numbers(t, {}, {5}), true}},
                   1});
  }
  const auto f32 = [](const Dims& dims) { return SampleInput{sample::random(dims, -9, 9)}; };
  const auto limit = [](double v) { return SampleInput{sample::floats({}, {v}), true}; };
  out.push_back({"relu6", {}, {f32({1000}), limit(0), limit(6)}, 1});
  out.push_back({"no_limits", {}, {f32({7})}, 1});
  out.push_back({"only_min", {}, {f32({33}), limit(-1)}, 1});
  out.push_back({"only_max", {}, {f32({2, 3, 5}), sample::absent(), limit(1)}, 1});
  out.push_back({"min_above_max", {}, {f32({17}), limit(3), limit(-3)}, 1});
  out.push_back({"limits_at_run_time", {}, {f32({17}), {sample::floats({}, {-2})}, {sample::floats({}, {2})}}, 1});
  out.push_back({"scalar", {}, {f32({}), limit(-1), limit(1)}, 1});
  out.push_back({"empty", {}, {f32({0, 3}), limit(-1), limit(1)}, 1});
  const double inf = std::numeric_limits<double>::infinity();
  out.push_back({"special", {}, {{sample::floats({5}, {std::nan(""), inf, -inf, -0.0, 3e38})}, limit(-1), limit(1)}, 1});
  return out;
}

}  // namespace

OpFamily clip() {
  return {Op("Clip", {1, 6, 11, 12, 13})
              .in("input", kNumeric)
              .opt("min", kNumeric)
              .opt("max", kNumeric)
              .out("output")
              .flag(ir::OpInfo::kElementwise)
              .infer(infer_clip)
              .reference(run_clip)
              .samples(samples)
              .upgrade(upgrade_clip)
              .doc("min(max(x, min), max); NaN stays.")};
}

}  // namespace slipway::ops
