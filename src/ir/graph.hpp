// Graph: SSA values and nodes with ONNX meaning (latest opset). Ids, not pointers; values and nodes are never renumbered.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ir/op_info.hpp"
#include "ir/value.hpp"

namespace slipway::ir {

using ValueId = uint32_t;
using NodeId = uint32_t;
/// "no value": an absent optional input or output; "no node": the producer of inputs and constants.
constexpr uint32_t kNone = 0xffffffffu;

struct ValueInfo {
  std::string name;
  Fact fact;
  NodeId producer = kNone;
  Tensor constant;  ///< set for initialisers and folded values
  bool is_constant() const { return static_cast<bool>(constant); }
};

struct Node {
  const OpInfo* op = nullptr;  ///< nullptr: the node was removed
  std::string name;
  Attrs attrs;
  std::vector<ValueId> inputs;   ///< declared inputs (kNone: absent), then the captured outer values from `captures_at` on
  std::vector<ValueId> outputs;  ///< kNone: not asked for
  /// Sub-graphs' trailing inputs are bound to inputs[captures_at...], the same list for each sub-graph of the node.
  uint32_t captures_at = kNone;

  bool alive() const { return op != nullptr; }
  bool is(std::string_view op_name, std::string_view domain = "") const {
    return op != nullptr && op->name == op_name && op->domain == domain;
  }
  size_t declared_inputs() const { return captures_at == kNone ? inputs.size() : captures_at; }
};

/// A number that no two graphs of the process share, copies included: the key of whatever is cached for a graph.
class GraphIdentity {
 public:
  GraphIdentity();
  GraphIdentity(const GraphIdentity&) : GraphIdentity() {}
  GraphIdentity& operator=(const GraphIdentity&) { return *this = GraphIdentity(); }
  GraphIdentity(GraphIdentity&&) = default;
  GraphIdentity& operator=(GraphIdentity&&) = default;
  uint64_t number() const { return number_; }

 private:
  uint64_t number_;
};

/// Copyable (weights are shared). Not thread-safe while being changed.
class Graph {
 public:
  GraphIdentity identity;
  std::string name;
  std::map<std::string, std::string> metadata;  ///< the model's own key-value pairs
  std::string producer;                         ///< "pytorch 2.1" or empty
  std::vector<std::string> symbols;             ///< names of symbolic extents; Dim::symbol(i) is symbols[i]

  // ---- building
  ValueId add_value(std::string value_name, Fact fact = {});
  ValueId add_input(std::string value_name, Fact fact);
  ValueId add_constant(std::string value_name, Tensor tensor);
  /// The interface name belongs to the output, not to the value: a rewrite may put any value behind it.
  void add_output(ValueId value, std::string output_name);
  /// Adds a node with `output_count` new values as outputs, or with the given ones.
  NodeId add_node(const OpInfo* op, std::string node_name, Attrs attrs, std::vector<ValueId> inputs, size_t output_count);
  NodeId add_node(Node node);
  Dim symbol(std::string_view symbol_name);  ///< finds or adds

  // ---- reading
  const std::vector<ValueId>& inputs() const { return inputs_; }
  const std::vector<ValueId>& outputs() const { return outputs_; }
  const std::vector<std::string>& output_names() const { return output_names_; }
  const ValueInfo& value(ValueId id) const { return values_[id]; }
  ValueInfo& value(ValueId id) { return values_[id]; }
  const Node& node(NodeId id) const { return nodes_[id]; }
  Node& node(NodeId id) { return nodes_[id]; }
  size_t value_count() const { return values_.size(); }
  size_t node_slots() const { return nodes_.size(); }  ///< including removed nodes
  size_t live_nodes() const;
  /// The live nodes, each after the producers of its inputs; stable: ties keep the order of adding. Error on a cycle.
  Result<std::vector<NodeId>> topological() const;
  /// Consumers of every value, by value id (a node stands once per use).
  std::vector<std::vector<NodeId>> consumers() const;
  bool is_output(ValueId id) const;
  ValueId find_value(std::string_view value_name) const;  ///< kNone when absent
  std::string unique_name(std::string_view stem) const;

  // ---- changing (passes go through Patch)
  void remove_node(NodeId id);
  /// Every use of `from` (node inputs and graph outputs) becomes `to`.
  void replace_uses(ValueId from, ValueId to);
  void set_inputs(std::vector<ValueId> ids) { inputs_ = std::move(ids); }
  /// Same count as before: names stay.
  void set_outputs(std::vector<ValueId> ids) { outputs_ = std::move(ids); }

 private:
  std::vector<ValueInfo> values_;
  std::vector<Node> nodes_;
  std::vector<ValueId> inputs_, outputs_;
  std::vector<std::string> output_names_;
};

/// Runs the op's infer on the node and returns the facts of its outputs (not stored). `values` may add known values beside
/// constants.
Result<std::vector<Fact>> infer_node(const Graph& graph, const Node& node);
/// Infers every node in order and stores the facts merged with those declared. Notes name the node in an error.
Status infer_all(Graph& graph);
/// Structure: ids in range, one producer per value, arity, acyclic, outputs produced, facts compatible with inference.
Status verify(const Graph& graph);

}  // namespace slipway::ir
