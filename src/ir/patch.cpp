#include "ir/patch.hpp"

#include "base/format.hpp"

namespace slipway::ir {

Result<ValueId> Patch::add(const OpInfo* op, Attrs attrs, std::vector<ValueId> inputs, size_t outputs, std::string name) {
  if (name.empty()) name = graph_.unique_name(std::string(op->name));
  const NodeId id = graph_.add_node(op, std::move(name), std::move(attrs), std::move(inputs), outputs);
  added_.push_back(id);
  std::vector<Fact> facts = TRY(infer_node(graph_, graph_.node(id)));
  const Node& node = graph_.node(id);
  for (size_t i = 0; i < facts.size(); ++i) graph_.value(node.outputs[i]).fact = std::move(facts[i]);
  return node.outputs[0];
}

ValueId Patch::constant(Tensor tensor, std::string name) {
  return graph_.add_constant(graph_.unique_name(name.empty() ? "constant" : name), std::move(tensor));
}

Status Patch::apply() && {
  for (const auto& [from, to] : replacements_) {
    const Fact& before = graph_.value(from).fact;
    const Fact& after = graph_.value(to).fact;
    if (!compatible(before, after)) {
      Error refused = fail(ErrorCode::internal, "patch refused: value '{}' is {} and its replacement {}", graph_.value(from).name,
                           to_string(before, &graph_.symbols), to_string(after, &graph_.symbols));
      for (NodeId id : added_) graph_.remove_node(id);
      return refused;
    }
  }
  for (const auto& [from, to] : replacements_) {
    graph_.value(to).fact = merge(graph_.value(from).fact, graph_.value(to).fact);
    graph_.replace_uses(from, to);
  }
  remove_dead_nodes(graph_);
  return {};
}

size_t remove_dead_nodes(Graph& graph) {
  std::vector<uint32_t> uses(graph.value_count(), 0);
  for (ValueId v : graph.outputs()) ++uses[v];
  for (NodeId id = 0; id < graph.node_slots(); ++id) {
    for (ValueId v : graph.node(id).inputs) {
      if (v != kNone) ++uses[v];
    }
  }
  std::vector<NodeId> work;
  for (NodeId id = 0; id < graph.node_slots(); ++id) {
    if (graph.node(id).alive()) work.push_back(id);
  }
  size_t removed = 0;
  while (!work.empty()) {
    const NodeId id = work.back();
    work.pop_back();
    const Node& node = graph.node(id);
    if (!node.alive()) continue;
    bool used = false;
    for (ValueId v : node.outputs) used = used || (v != kNone && uses[v] != 0);
    if (used) continue;
    for (ValueId v : node.inputs) {
      if (v != kNone && --uses[v] == 0 && graph.value(v).producer != kNone) work.push_back(graph.value(v).producer);
    }
    graph.remove_node(id);
    ++removed;
  }
  return removed;
}

}  // namespace slipway::ir
