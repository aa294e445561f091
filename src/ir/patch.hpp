// Patch: a rewrite proposed by a pass. Only apply() changes the Graph, after checking that every replaced value keeps its fact.
#pragma once

#include "ir/graph.hpp"

namespace slipway::ir {

/// Collects new nodes and constants beside a Graph. Ids of new values are valid in the Graph after apply().
class Patch {
 public:
  explicit Patch(Graph& graph) : graph_(graph) {}

  /// New node; its first output is returned (further outputs follow: id + 1, ...). Facts are inferred at once.
  Result<ValueId> add(const OpInfo* op, Attrs attrs, std::vector<ValueId> inputs, size_t outputs = 1, std::string name = {});
  ValueId constant(Tensor tensor, std::string name = {});
  /// After apply(), every use of `old_value` reads `new_value`.
  void replace(ValueId old_value, ValueId new_value) { replacements_.push_back({old_value, new_value}); }

  /// Checks the facts of all replacements, then rewires. Nodes left without users are removed. On error nothing changed
  /// but unused values.
  Status apply() &&;

 private:
  Graph& graph_;
  std::vector<NodeId> added_;
  std::vector<std::pair<ValueId, ValueId>> replacements_;
};

/// Removes every node none of whose outputs is used; returns how many.
size_t remove_dead_nodes(Graph& graph);

}  // namespace slipway::ir
