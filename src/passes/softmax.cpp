// exp(x - max(x)) / sum(exp(x - max(x))) over one axis becomes Softmax.
#include "ops/softmax.hpp"

#include "ops/reduce.hpp"
#include "ops/registry.hpp"
#include "passes/pattern.hpp"

namespace slipway::passes {
namespace {

enum Slot { kX, kExp, kMaxAxes, kSumAxes };

Result<Answer> visit(const Site& site) {
  static const Pattern x = any(kX), shifted = x - Pattern::op("ReduceMax", {x, Pattern::constant(kMaxAxes)});
  static const Pattern sum = Pattern::op("ReduceSum", {any(kExp), Pattern::constant(kSumAxes)});
  static const std::vector<Pattern> ways = {unary("Exp", shifted).as(kExp) / sum};
  if (!site.node.is("Div")) return not_mine();
  const auto match = find_first(ways, site, site.out());
  if (!match) return not_mine();
  const ir::Fact& fact = site.fact(match->slots[kX]);
  const auto max_axes = ints(site, match->slots[kMaxAxes]), sum_axes = ints(site, match->slots[kSumAxes]);
  if (!max_axes || !sum_axes || max_axes->size() != 1 || sum_axes->size() != 1 || !has_rank(fact)) {
    return declined("it is not over one constant axis");
  }
  const auto rank = static_cast<int64_t>(fact.shape->size());
  const auto positive = [rank](int64_t axis) { return axis < 0 ? axis + rank : axis; };
  if (positive(max_axes->front()) != positive(sum_axes->front())) return declined("maximum and sum run over different axes");
  for (ir::NodeId id : match->nodes) {
    const ir::Node& node = site.graph.node(id);
    const bool reduces = node.is("ReduceMax") || node.is("ReduceSum");
    if (reduces && !node.attrs.as<ops::ReduceAttrs>().keepdims) return declined("the reduced axis is not kept");
  }
  const ops::SoftmaxAttrs attrs{positive(sum_axes->front())};
  ir::Patch patch(site.graph);
  const ir::ValueId out = TRY(patch.add(ops::get("Softmax"), attrs, {match->slots[kX]}));
  return replaced(site, std::move(patch), out);
}

}  // namespace

Pass softmax() {
  return {"softmax", "a softmax written out becomes the operator", visit};
}

}  // namespace slipway::passes
