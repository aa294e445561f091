// Identity: any value, passed on.
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

Status infer_identity(InferContext& c) {
  c.set(0, c.input(0));
  return {};
}

Status run_identity(RefContext& c) {
  c.set(0, c.value(0));
  return {};
}

std::vector<Sample> samples() {
  return {{"f32", NoAttrs{}, {{sample::counting({2, 3})}}},
          {"string", NoAttrs{}, {{sample::counting(ElementType::string, {3})}}},
          {"four_bit", NoAttrs{}, {{sample::counting(ElementType::u4, {5})}}},
          {"empty", NoAttrs{}, {{sample::counting(ElementType::i64, {2, 0})}}},
          {"scalar", NoAttrs{}, {{sample::counting(ElementType::c64, {})}}}};
}

}  // namespace

OpFamily identity() {
  return {Op("Identity", {1, 13, 14, 16, 19, 21, 23, 24, 25})
              .in_any("input")
              .out_any("output")
              .flag(ir::OpInfo::kView)
              .infer(infer_identity)
              .reference(run_identity)
              .samples(samples)
              .doc("The input itself.")};
}

}  // namespace slipway::ops
