#include "ir/graph.hpp"

#include <algorithm>
#include <atomic>
#include <queue>

#include "base/format.hpp"

namespace slipway::ir {

GraphIdentity::GraphIdentity() {
  static std::atomic<uint64_t> next{1};
  number_ = next.fetch_add(1, std::memory_order_relaxed);
}

ValueId Graph::add_value(std::string value_name, Fact fact) {
  values_.push_back({std::move(value_name), std::move(fact), kNone, {}});
  return static_cast<ValueId>(values_.size() - 1);
}

ValueId Graph::add_input(std::string value_name, Fact fact) {
  inputs_.push_back(add_value(std::move(value_name), std::move(fact)));
  return inputs_.back();
}

ValueId Graph::add_constant(std::string value_name, Tensor tensor) {
  const ValueId id = add_value(std::move(value_name), Fact::tensor(tensor.type(), tensor.dims()));
  values_[id].constant = std::move(tensor);
  return id;
}

void Graph::add_output(ValueId value, std::string output_name) {
  outputs_.push_back(value);
  output_names_.push_back(std::move(output_name));
}

NodeId Graph::add_node(const OpInfo* op, std::string node_name, Attrs attrs, std::vector<ValueId> inputs, size_t output_count) {
  Node node{op, std::move(node_name), std::move(attrs), std::move(inputs), {}, kNone};
  for (size_t i = 0; i < output_count; ++i) {
    node.outputs.push_back(add_value(i == 0 ? node.name : node.name + ":" + std::to_string(i)));
  }
  return add_node(std::move(node));
}

NodeId Graph::add_node(Node node) {
  const auto id = static_cast<NodeId>(nodes_.size());
  for (ValueId v : node.outputs) {
    if (v != kNone) values_[v].producer = id;
  }
  nodes_.push_back(std::move(node));
  return id;
}

Dim Graph::symbol(std::string_view symbol_name) {
  const auto at = std::find(symbols.begin(), symbols.end(), symbol_name);
  const auto index = static_cast<int>(at - symbols.begin());
  if (at == symbols.end()) symbols.emplace_back(symbol_name);
  return Dim::symbol(index);
}

size_t Graph::live_nodes() const {
  return static_cast<size_t>(std::count_if(nodes_.begin(), nodes_.end(), [](const Node& n) { return n.alive(); }));
}

Result<std::vector<NodeId>> Graph::topological() const {
  std::vector<NodeId> order;
  order.reserve(nodes_.size());
  bool in_order = true;  // as nodes mostly were added
  for (NodeId id = 0; id < nodes_.size() && in_order; ++id) {
    if (!nodes_[id].alive()) continue;
    order.push_back(id);
    for (ValueId v : nodes_[id].inputs)
      in_order = in_order && (v == kNone || values_[v].producer == kNone || values_[v].producer < id);
  }
  if (in_order) return order;
  order.clear();
  std::vector<uint32_t> waiting(nodes_.size(), 0);
  std::vector<std::vector<NodeId>> users(nodes_.size());
  std::priority_queue<NodeId, std::vector<NodeId>, std::greater<>> ready;
  for (NodeId id = 0; id < nodes_.size(); ++id) {
    if (!nodes_[id].alive()) continue;
    for (ValueId v : nodes_[id].inputs) {
      if (v == kNone || values_[v].producer == kNone) continue;
      ++waiting[id];
      users[values_[v].producer].push_back(id);
    }
    if (waiting[id] == 0) ready.push(id);
  }
  while (!ready.empty()) {
    const NodeId id = ready.top();
    ready.pop();
    order.push_back(id);
    for (NodeId user : users[id]) {
      if (--waiting[user] == 0) ready.push(user);
    }
  }
  if (order.size() == live_nodes()) return order;
  for (NodeId id = 0; id < nodes_.size(); ++id) {
    if (nodes_[id].alive() && waiting[id] != 0) {
      return fail(ErrorCode::invalid_model, "the graph has a cycle through node '{}' ({})", nodes_[id].name, nodes_[id].op->name);
    }
  }
  return Error(ErrorCode::internal, "topological order lost a node");
}

std::vector<std::vector<NodeId>> Graph::consumers() const {
  std::vector<std::vector<NodeId>> out(values_.size());
  for (NodeId id = 0; id < nodes_.size(); ++id) {
    if (!nodes_[id].alive()) continue;
    for (ValueId v : nodes_[id].inputs) {
      if (v != kNone) out[v].push_back(id);
    }
  }
  return out;
}

bool Graph::is_output(ValueId id) const {
  return std::find(outputs_.begin(), outputs_.end(), id) != outputs_.end();
}

ValueId Graph::find_value(std::string_view value_name) const {
  for (ValueId id = 0; id < values_.size(); ++id) {
    if (values_[id].name == value_name) return id;
  }
  return kNone;
}

std::string Graph::unique_name(std::string_view stem) const {
  std::string candidate(stem);
  for (int i = 1; find_value(candidate) != kNone; ++i) candidate = std::string(stem) + "_" + std::to_string(i);
  return candidate;
}

void Graph::remove_node(NodeId id) {
  for (ValueId v : nodes_[id].outputs) {
    if (v != kNone && values_[v].producer == id) values_[v].producer = kNone;
  }
  nodes_[id] = Node{};
}

void Graph::replace_uses(ValueId from, ValueId to) {
  for (Node& node : nodes_) std::replace(node.inputs.begin(), node.inputs.end(), from, to);
  std::replace(outputs_.begin(), outputs_.end(), from, to);
}

}  // namespace slipway::ir
