// GlobalAveragePool, two 1x1 convolutions with activations, and the product with what was pooled are one step.
#include <algorithm>

#include "ops/conv.hpp"
#include "passes/fuse.hpp"

namespace slipway::passes {
namespace {

bool all_are(const std::vector<int64_t>& list, int64_t wanted) {
  return std::all_of(list.begin(), list.end(), [&](int64_t v) { return v == wanted; });
}

bool is_pointwise(const Site& site, const ir::Node& node) {
  if (main_kind(site, node) != "conv") return false;
  const auto& attrs = node.attrs.as<ops::ConvAttrs>();
  const Tensor* weights = site.constant(node.inputs[1]);
  if (weights == nullptr || weights->dims().count(2, weights->dims().rank()) != 1) return false;
  if (node.inputs.size() > 2 && site.constant(node.inputs[2]) == nullptr) return false;
  return attrs.group == 1 && all_are(attrs.strides, 1) && all_are(attrs.pads, 0);
}

/// The only reader of a value.
const ir::Node* reader(const Site& site, ir::ValueId v) {
  return site.uses.single(v) ? &site.graph.node(site.uses.of(v)[0]) : nullptr;
}

Result<Answer> visit(const Site& site) {
  if (!site.node.is("GlobalAveragePool") || !is_f32(*site.input(0))) return not_mine();
  const ir::ValueId x = site.node.inputs[0];
  std::vector<ir::NodeId> nodes{site.id};
  ir::ValueId value = site.out();
  for (int i = 0; i < 4; ++i) {
    const ir::Node* next = reader(site, value);
    if (next == nullptr || !(i % 2 == 0 ? is_pointwise(site, *next) : is_tail_unary(site, *next))) return not_mine();
    nodes.push_back(site.uses.of(value)[0]);
    value = next->outputs[0];
  }
  const ir::Node* scale = reader(site, value);
  if (scale == nullptr || !scale->is("Mul")) return not_mine();
  if (scale->inputs[scale->inputs[0] == value ? 1 : 0] != x) return declined("the gate scales another value than was pooled");
  nodes.push_back(site.uses.of(value)[0]);
  value = scale->outputs[0];
  const ir::Node* sum = reader(site, value);
  if (sum != nullptr && sum->is("Add") && sum->inputs[sum->inputs[0] == value ? 1 : 0] == x) {
    nodes.push_back(site.uses.of(value)[0]);
    value = sum->outputs[0];
  }
  GroupBuilder group(site.graph, GroupBuilder::Operands::one_input_per_value);
  for (ir::NodeId id : nodes) {
    const bool conv = site.graph.node(id).is("Conv");
    group.add(id, conv ? GroupBuilder::Role::main : GroupBuilder::Role::elementwise);
  }
  ir::Patch patch(site.graph);
  const ir::ValueId out = TRY(group.finish(patch, "squeeze_excite", site.node.name, value));
  patch.replace(value, out);
  return Answer(std::move(patch));
}

}  // namespace

Pass squeeze_excite() {
  return {"squeeze_excite", "pooling, two small convolutions and their gate are one step", visit};
}

}  // namespace slipway::passes
