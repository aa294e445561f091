// Patch: a rewrite proposed by a pass. Only apply() changes the Graph, after checking that every replaced value keeps its fact.
#pragma once

#include "ir/graph.hpp"

namespace slipway::ir {

/// Collects new nodes and constants beside a Graph. Ids of new values are valid in the Graph after apply(). A patch that is
/// dropped without apply() takes its nodes away again. References into the graph's nodes and values die with every add() and
/// constant().
class Patch {
 public:
  explicit Patch(Graph& graph) : graph_(&graph) {}
  Patch(Patch&& other) noexcept;
  Patch& operator=(Patch&&) = delete;
  ~Patch();

  /// New node; its first output is returned (further outputs follow: id + 1, ...). Facts are inferred at once.
  Result<ValueId> add(const OpInfo* op, Attrs attrs, std::vector<ValueId> inputs, size_t outputs = 1, std::string name = {});
  /// A node as it stands, `outputs` ignored but for their number and holes; for copies from another graph.
  Result<std::vector<ValueId>> add(Node node);
  ValueId constant(Tensor tensor);
  /// After apply(), every use of `old_value` reads `new_value`. A value that is new takes the old one's name, its node the name
  /// of the old node unless add() was given one.
  void replace(ValueId old_value, ValueId new_value) { replacements_.push_back({old_value, new_value}); }
  /// apply() merges `fact` into what is known of an existing value.
  void refine(ValueId value, Fact fact) { refinements_.push_back({value, std::move(fact)}); }

  /// Checks the facts of all replacements, then rewires. Nodes left without users are removed. On error nothing changed
  /// but unused values.
  Status apply() &&;

 private:
  Result<NodeId> finish(NodeId id);
  void take_names(ValueId from, ValueId to);

  Graph* graph_;
  size_t first_value_ = graph_->value_count();  ///< values from here on are the patch's own
  std::vector<NodeId> added_;
  std::vector<NodeId> unnamed_;
  std::vector<std::pair<ValueId, ValueId>> replacements_;
  std::vector<std::pair<ValueId, Fact>> refinements_;
};

/// Removes every node none of whose outputs is used; returns how many.
size_t remove_dead_nodes(Graph& graph);
/// Renumbers so that neither removed nodes nor values without producer and users stay behind; the order is kept. Ids and the
/// graph's identity change.
void compact(Graph& graph);

}  // namespace slipway::ir
