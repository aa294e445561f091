// Attention on three equal parts of one tensor is one step: its kernel reads the parts where they lie.
#include "ops/split.hpp"
#include "passes/fuse.hpp"

namespace slipway::passes {
namespace {

Result<Answer> visit(const Site& site) {
  const ir::Node& node = site.node;
  if (!node.is("Attention") || node.outputs.size() != 1 || node.inputs.size() < 3 || node.inputs.size() > 4) return not_mine();
  const ir::Node* split = site.producer(node.inputs[0]);
  if (split == nullptr || !split->is("Split") || split->outputs.size() != 3) return not_mine();
  for (size_t i = 0; i < 3; ++i) {
    if (node.inputs[i] != split->outputs[i] || !site.uses.single(split->outputs[i])) return not_mine();
    if (!same_shape(site.fact(split->outputs[i]), site.fact(split->outputs[0]))) return declined("the parts differ in width");
  }
  const ir::Fact& source = site.fact(split->inputs[0]);
  const int64_t axis = split->attrs.as<ops::SplitAttrs>().axis;
  if ((!is_f32(source) && !is_bf16(source)) || !has_rank(source) || source.shape->size() != 3 || (axis != 2 && axis != -1))
    return not_mine();
  GroupBuilder group(site.graph, GroupBuilder::Operands::one_input_per_use);
  group.add(site.graph.value(node.inputs[0]).producer, GroupBuilder::Role::main);
  group.add(site.id, GroupBuilder::Role::main);
  ir::Patch patch(site.graph);
  const ir::ValueId out = TRY(group.finish(patch, "attention", node.name, site.out()));
  return replaced(site, std::move(patch), out);
}

}  // namespace

Pass packed_attention() {
  return {"packed_attention", "a split into Q, K and V joins its attention", visit};
}

}  // namespace slipway::passes
