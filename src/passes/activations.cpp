// Activations written out in arithmetic become their operators: Swish, HardSwish, HardSigmoid, Mish, Clip, Relu.
#include "ops/activation.hpp"

#include <cmath>
#include <limits>

#include "ops/registry.hpp"
#include "passes/pattern.hpp"

namespace slipway::passes {
namespace {

constexpr double kSixth = 1.0 / 6.0;

Pattern clip(Pattern x, double low, double high) {
  return Pattern::op("Clip", {std::move(x), number(low), number(high)});
}

Result<Answer> becomes(const Site& site, std::string_view op, ir::Attrs attrs, ir::ValueId x) {
  if (!may_be_same_shape(site.fact(x), site.fact(site.out()))) return declined("the constants enlarge the shape");
  ir::Patch patch(site.graph);
  const ir::ValueId out = TRY(patch.add(ops::get(op), std::move(attrs), {x}));
  return replaced(site, std::move(patch), out);
}

Result<Answer> visit_mul(const Site& site) {
  static const Pattern x = any(0), three = clip(x + number(3), 0, 6);
  static const std::vector<Pattern> hard_swish = {x * three * number(kSixth), x * (three * number(kSixth)),
                                                  x * number(kSixth) * three};
  static const std::vector<Pattern> hard_sigmoid = {three * number(kSixth)};
  static const std::vector<Pattern> gated_hard = {x * unary("HardSigmoid", x)};
  static const std::vector<Pattern> swish = {x * unary("Sigmoid", x), x * unary("Sigmoid", x * Pattern::constant(1))};
  static const std::vector<Pattern> mish = {x * unary("Tanh", unary("Softplus", x))};

  if (const auto m = find_first(hard_swish, site, site.out())) return becomes(site, "HardSwish", {}, m->slots[0]);
  if (const auto m = find_first(gated_hard, site, site.out())) {
    const auto& attrs = site.graph.node(m->nodes[1]).attrs.as<ops::HardSigmoidAttrs>();
    if (near(attrs.alpha, kSixth) && attrs.beta == 0.5f) return becomes(site, "HardSwish", {}, m->slots[0]);
  }
  if (const auto m = find_first(swish, site, site.out())) {
    const auto alpha = m->slots[1] == ir::kNone ? std::optional(1.0) : scalar(site, m->slots[1]);
    if (alpha) return becomes(site, "Swish", ops::SwishAttrs{static_cast<float>(*alpha)}, m->slots[0]);
  }
  if (const auto m = find_first(mish, site, site.out())) return becomes(site, "Mish", {}, m->slots[0]);
  if (const auto m = find_first(hard_sigmoid, site, site.out())) {
    for (ir::NodeId user : site.uses.of(site.out())) {  // x * this is the HardSwish, found when its turn comes
      if (site.graph.node(user).is("Mul")) {
        const auto& in = site.graph.node(user).inputs;
        if (in[0] == m->slots[0] || in[1] == m->slots[0]) return not_mine();
      }
    }
    return becomes(site, "HardSigmoid", ops::HardSigmoidAttrs{static_cast<float>(kSixth), 0.5f}, m->slots[0]);
  }
  return not_mine();
}

/// max(x, low) and min(x, high) by constants of one element are bounds of a Clip; max(x, 0) is a Relu.
Result<Answer> visit_bound(const Site& site) {
  const bool lower = site.node.is("Max");
  if (site.node.inputs.size() != 2 || !is_f32(site.fact(site.out()))) return not_mine();
  const bool right = scalar(site, site.node.inputs[1]).has_value();
  const ir::ValueId x = site.node.inputs[right ? 0 : 1], bound = site.node.inputs[right ? 1 : 0];
  const auto limit = scalar(site, bound);
  if (!limit || site.constant(x) != nullptr || !broadcasts_into(site.fact(bound), site.fact(x))) return not_mine();
  if (lower && *limit == 0) return becomes(site, "Relu", {}, x);
  ir::Patch patch(site.graph);
  const ir::ValueId c = patch.constant(Tensor::scalar(static_cast<float>(*limit)));
  const ir::ValueId out = TRY(patch.add(ops::get("Clip"), {}, lower ? std::vector{x, c} : std::vector{x, ir::kNone, c}));
  return replaced(site, std::move(patch), out);
}

/// Clip of a Clip keeps one of them; Clip from 0 upwards is a Relu.
Result<Answer> visit_clip(const Site& site) {
  const ir::Node& node = site.node;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (!is_f32(site.fact(site.out()))) return not_mine();
  const auto bound = [&](const ir::Node& n, size_t i, double none) -> std::optional<double> {
    return i < n.inputs.size() && n.inputs[i] != ir::kNone ? scalar(site, n.inputs[i]) : std::optional(none);
  };
  auto low = bound(node, 1, -kInfinity), high = bound(node, 2, kInfinity);
  if (!low || !high) return not_mine();
  const ir::Node* inner = site.producer(node.inputs[0]);
  const bool relu = inner != nullptr && inner->is("Relu");
  if (relu || (inner != nullptr && inner->is("Clip"))) {
    const auto inner_low = relu ? std::optional(0.0) : bound(*inner, 1, -kInfinity);
    const auto inner_high = relu ? std::optional(kInfinity) : bound(*inner, 2, kInfinity);
    if (inner_low && inner_high && site.uses.single(node.inputs[0]) && *low <= *inner_high && *inner_low <= *high) {
      const double both_low = std::max(*low, *inner_low), both_high = std::min(*high, *inner_high);
      const ir::ValueId x = inner->inputs[0];
      ir::Patch patch(site.graph);
      std::vector<ir::ValueId> inputs{x, patch.constant(Tensor::scalar(static_cast<float>(both_low)))};
      if (std::isfinite(both_high)) inputs.push_back(patch.constant(Tensor::scalar(static_cast<float>(both_high))));
      const ir::ValueId out = TRY(patch.add(ops::get("Clip"), {}, std::move(inputs)));
      return replaced(site, std::move(patch), out);
    }
  }
  if (*low == 0 && *high >= static_cast<double>(std::numeric_limits<float>::max()))
    return becomes(site, "Relu", {}, node.inputs[0]);
  return not_mine();
}

Result<Answer> visit(const Site& site) {
  if (site.node.is("Mul")) return visit_mul(site);
  if (site.node.is("Max") || site.node.is("Min")) return visit_bound(site);
  if (site.node.is("Clip")) return visit_clip(site);
  return not_mine();
}

}  // namespace

Pass activations() {
  return {"activations", "activations written out become their operators", visit};
}

}  // namespace slipway::passes
