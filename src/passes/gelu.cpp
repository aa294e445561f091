// The GELU written out, by erf or by its tanh approximation, becomes the operator.
#include "ops/gelu.hpp"

#include "ops/registry.hpp"
#include "passes/pattern.hpp"

namespace slipway::passes {
namespace {

constexpr double kSqrtHalf = 0.70710678118654752440, kSqrtTwoOverPi = 0.79788456080286535588, kCubic = 0.044715;

/// x / 2 * bracket in every grouping.
std::vector<Pattern> halves(const Pattern& bracket) {
  const Pattern x = any(0), half = number(0.5);
  return {x * bracket * half, x * half * bracket, x * (bracket * half)};
}

const std::vector<Pattern>& by_erf() {
  static const std::vector<Pattern> ways = halves(unary("Erf", any(0) * number(kSqrtHalf)) + number(1));
  return ways;
}

const std::vector<Pattern>& by_tanh() {
  static const std::vector<Pattern> ways = [] {
    const Pattern x = any(0);
    std::vector<Pattern> out;
    for (const Pattern& cube : {Pattern::op("Pow", {x, number(3)}), x * x * x, x * (x * x)}) {
      for (const Pattern& inner : {(x + cube * number(kCubic)) * number(kSqrtTwoOverPi)}) {
        for (const Pattern& way : halves(unary("Tanh", inner) + number(1))) out.push_back(way);
      }
    }
    const Pattern factored = x * number(kSqrtTwoOverPi) * (x * x * number(kCubic) + number(1));
    const Pattern factored2 = x * number(kSqrtTwoOverPi) * (x * number(kCubic) * x + number(1));
    for (const Pattern& inner : {factored, factored2}) {
      for (const Pattern& way : halves(unary("Tanh", inner) + number(1))) out.push_back(way);
    }
    return out;
  }();
  return ways;
}

Result<Answer> visit(const Site& site) {
  if (!site.node.is("Mul")) return not_mine();
  std::optional<Match> match = find_first(by_erf(), site, site.out());
  const bool exact = match.has_value();
  if (!exact) match = find_first(by_tanh(), site, site.out());
  if (!match) return not_mine();
  const ir::ValueId x = match->slots[0];
  if (!may_be_same_shape(site.fact(x), site.fact(site.out()))) return declined("the constants enlarge the shape");
  ir::Patch patch(site.graph);
  const ir::ValueId out = TRY(patch.add(ops::get("Gelu"), ops::GeluAttrs{exact ? "none" : "tanh"}, {x}));
  return replaced(site, std::move(patch), out);
}

}  // namespace

Pass gelu() {
  return {"gelu", "x / 2 * (1 + erf(x / sqrt 2)) and its tanh form become Gelu", visit};
}

}  // namespace slipway::passes
