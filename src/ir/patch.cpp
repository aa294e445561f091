#include "ir/patch.hpp"

#include <algorithm>

#include "base/format.hpp"

namespace slipway::ir {

Patch::Patch(Patch&& other) noexcept
    : graph_(other.graph_),
      first_value_(other.first_value_),
      added_(std::move(other.added_)),
      unnamed_(std::move(other.unnamed_)),
      replacements_(std::move(other.replacements_)),
      refinements_(std::move(other.refinements_)) {
  other.added_.clear();
}

Patch::~Patch() {
  for (NodeId id : added_) graph_->remove_node(id);
}

Result<NodeId> Patch::finish(NodeId id) {
  added_.push_back(id);
  std::vector<Fact> facts = TRY(infer_node(*graph_, graph_->node(id)));
  const Node& node = graph_->node(id);
  for (size_t i = 0; i < facts.size(); ++i) {
    if (node.outputs[i] != kNone) graph_->value(node.outputs[i]).fact = std::move(facts[i]);
  }
  return id;
}

Result<ValueId> Patch::add(const OpInfo* op, Attrs attrs, std::vector<ValueId> inputs, size_t outputs, std::string name) {
  const bool unnamed = name.empty();
  if (unnamed) name = graph_->unique_name(fmt::format("{}_{}", op->name, graph_->node_slots()));
  const NodeId id = graph_->add_node(op, std::move(name), std::move(attrs), std::move(inputs), outputs);
  const ValueId first = graph_->node(id).outputs[0];
  if (unnamed) unnamed_.push_back(id);
  TRY(finish(id));
  return first;
}

Result<std::vector<ValueId>> Patch::add(Node node) {
  for (ValueId& v : node.outputs) {
    if (v != kNone) v = graph_->add_value(graph_->unique_name(fmt::format("{}_{}", node.op->name, graph_->value_count())));
  }
  const NodeId id = TRY(finish(graph_->add_node(std::move(node))));
  return graph_->node(id).outputs;
}

ValueId Patch::constant(Tensor tensor) {
  return graph_->add_constant(graph_->unique_name(fmt::format("constant_{}", graph_->value_count())), std::move(tensor));
}

void Patch::take_names(ValueId from, ValueId to) {
  if (to < first_value_) return;
  ValueInfo &old_value = graph_->value(from), &new_value = graph_->value(to);
  std::swap(old_value.name, new_value.name);
  const bool unnamed = std::find(unnamed_.begin(), unnamed_.end(), new_value.producer) != unnamed_.end();
  if (unnamed && old_value.producer != kNone) graph_->node(new_value.producer).name = graph_->node(old_value.producer).name;
}

Status Patch::apply() && {
  for (const auto& [from, to] : replacements_) {
    const Fact& before = graph_->value(from).fact;
    const Fact& after = graph_->value(to).fact;
    if (!compatible(before, after)) {
      return fail(ErrorCode::internal, "patch refused: value '{}' is {} and its replacement {}", graph_->value(from).name,
                  to_string(before, &graph_->symbols), to_string(after, &graph_->symbols));
    }
  }
  for (const auto& [value, fact] : refinements_) {
    Fact& known = graph_->value(value).fact;
    if (!compatible(known, fact)) {
      return fail(ErrorCode::internal, "patch refused: value '{}' is {} and cannot be {}", graph_->value(value).name,
                  to_string(known, &graph_->symbols), to_string(fact, &graph_->symbols));
    }
  }
  for (const auto& [value, fact] : refinements_) graph_->value(value).fact = merge(graph_->value(value).fact, fact);
  for (const auto& [from, to] : replacements_) {
    graph_->value(to).fact = merge(graph_->value(from).fact, graph_->value(to).fact);
    graph_->replace_uses(from, to);
    take_names(from, to);
  }
  added_.clear();
  remove_dead_nodes(*graph_);
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

void compact(Graph& graph) {
  std::vector<bool> used(graph.value_count(), false);
  const auto use = [&](const std::vector<ValueId>& ids) {
    for (ValueId v : ids) {
      if (v != kNone) used[v] = true;
    }
  };
  use(graph.inputs());
  use(graph.outputs());
  for (NodeId id = 0; id < graph.node_slots(); ++id) {
    use(graph.node(id).inputs);
    use(graph.node(id).outputs);
  }
  Graph out;
  out.name = std::move(graph.name);
  out.metadata = std::move(graph.metadata);
  out.producer = std::move(graph.producer);
  out.symbols = std::move(graph.symbols);
  std::vector<ValueId> map(graph.value_count(), kNone);
  for (ValueId v = 0; v < graph.value_count(); ++v) {
    if (!used[v]) continue;
    ValueInfo& value = graph.value(v);
    map[v] = out.add_value(std::move(value.name), std::move(value.fact));
    out.value(map[v]).constant = std::move(value.constant);
  }
  const auto mapped = [&](std::vector<ValueId> ids) {
    for (ValueId& v : ids) v = v == kNone ? kNone : map[v];
    return ids;
  };
  out.set_inputs(mapped(graph.inputs()));
  for (size_t i = 0; i < graph.outputs().size(); ++i) out.add_output(map[graph.outputs()[i]], graph.output_names()[i]);
  for (NodeId id = 0; id < graph.node_slots(); ++id) {
    Node& node = graph.node(id);
    if (!node.alive()) continue;
    node.inputs = mapped(std::move(node.inputs));
    node.outputs = mapped(std::move(node.outputs));
    out.add_node(std::move(node));
  }
  graph = std::move(out);
}

}  // namespace slipway::ir
