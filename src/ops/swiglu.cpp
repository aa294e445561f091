// SwiGLU: Swish of a gate times a linear input.
#include "ops/activation.hpp"
#include "ops/function.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

struct SwigluAttrs {
  float alpha = 1;
  bool operator==(const SwigluAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("alpha", &SwigluAttrs::alpha)}; }
};

void body(FunctionBody& b) {
  const ir::ValueId gate = b.node("Swish", SwishAttrs{.alpha = b.attrs<SwigluAttrs>().alpha}, {b.in(0)});
  b.set(0, b.node("Mul", {gate, b.in(1)}));
}

std::vector<Sample> samples() {
  using sample::noise;
  return {{"f32", SwigluAttrs{}, {{noise({2, 17})}, {noise({2, 17}, 2)}}},
          {"alpha", SwigluAttrs{1.702f}, {{noise({3, 5})}, {noise({3, 5}, 2)}}},
          {"f16", SwigluAttrs{}, {{noise(E::f16, {4, 9})}, {noise(E::f16, {4, 9}, 2)}}}};
}

}  // namespace

OpFamily swiglu() {
  OpFamily family;
  family.push_back(function<body, SwigluAttrs>(Op("SwiGLU", {28}).in("A", kFloat).in("B", kFloat).out("Y"))
                       .samples(samples)
                       .doc("Swish of the first input times the second."));
  return family;
}

}  // namespace slipway::ops
