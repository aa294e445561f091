// Optional outputs that nobody reads are not asked for: kernels need not make them.
#include "ops/registry.hpp"
#include "passes/pass.hpp"

namespace slipway::passes {
namespace {

Result<Answer> visit(const Site& site) {
  const ops::Op& op = ops::op_of(site.node);
  if (site.node.outputs.size() < 2 || op.has(ir::OpInfo::kHasSubgraph) || op.has(ir::OpInfo::kGroup)) return not_mine();
  ir::Node node = site.node;
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    const bool optional = op.output_port(i) != nullptr && op.output_port(i)->optional && !op.output_port(i)->variadic;
    if (optional && node.outputs[i] != ir::kNone && site.uses.unused(node.outputs[i])) node.outputs[i] = ir::kNone;
  }
  while (node.outputs.size() > static_cast<size_t>(op.min_outputs) && node.outputs.back() == ir::kNone) node.outputs.pop_back();
  if (node.outputs == site.node.outputs) return not_mine();
  ir::Patch patch(site.graph);
  const std::vector<ir::ValueId> before = node.outputs, after = TRY(patch.add(std::move(node)));
  for (size_t i = 0; i < before.size(); ++i) {
    if (before[i] != ir::kNone) patch.replace(before[i], after[i]);
  }
  return Answer(std::move(patch));
}

}  // namespace

Pass unused_outputs() {
  return {"unused_outputs", "optional outputs that nobody reads are not asked for", visit};
}

}  // namespace slipway::passes
