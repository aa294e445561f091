// Two nodes of one operator, with equal attributes and inputs, give equal results: the second reads the first.
#include "passes/match.hpp"

namespace slipway::passes {
namespace {

/// Separate constants of this size at most count as one when their bytes are equal.
constexpr size_t kComparedBytes = 4096;

bool same_value(const ir::Graph& graph, ir::ValueId a, ir::ValueId b) {
  if (a == b) return true;
  if (a == ir::kNone || b == ir::kNone) return false;
  const ir::ValueInfo &x = graph.value(a), &y = graph.value(b);
  return x.is_constant() && y.is_constant() && x.constant.bytes() <= kComparedBytes && x.constant.type() == y.constant.type() &&
         x.constant.type() != ElementType::string && x.constant.same_bytes(y.constant);
}

bool same_node(const ir::Graph& graph, const ir::Node& a, const ir::Node& b) {
  if (a.op != b.op || a.inputs.size() != b.inputs.size() || a.outputs.size() != b.outputs.size()) return false;
  if (a.captures_at != b.captures_at) return false;
  for (size_t i = 0; i < a.inputs.size(); ++i) {
    if (!same_value(graph, a.inputs[i], b.inputs[i])) return false;
  }
  return a.attrs == b.attrs;
}

Result<Answer> visit(const Site& site) {
  const ir::Node& node = site.node;
  using Info = ir::OpInfo;
  if (node.op->has(Info::kRandom) || node.op->has(Info::kHasSubgraph)) return not_mine();
  for (ir::ValueId anchor : node.inputs) {
    if (anchor == ir::kNone || site.graph.value(anchor).is_constant()) continue;
    for (ir::NodeId other : site.uses.of(anchor)) {
      if (other == site.id || !site.before(other) || !same_node(site.graph, site.graph.node(other), node)) continue;
      const ir::Node& earlier = site.graph.node(other);
      ir::Patch patch(site.graph);
      bool any = false;
      for (size_t i = 0; i < node.outputs.size(); ++i) {
        if (node.outputs[i] == ir::kNone || site.uses.unused(node.outputs[i])) continue;
        if (earlier.outputs[i] == ir::kNone) return not_mine();
        patch.replace(node.outputs[i], earlier.outputs[i]);
        any = true;
      }
      return any ? Answer(std::move(patch)) : not_mine();
    }
    return not_mine();
  }
  return not_mine();
}

}  // namespace

Pass common_subexpression() {
  return {"common_subexpression", "merges nodes that compute the same", visit};
}

}  // namespace slipway::passes
