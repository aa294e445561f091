// First half of planning: a copy of the Graph with concrete facts, shape arithmetic folded, decided Ifs inlined.
#pragma once

#include "ir/patch.hpp"
#include "plan/plan.hpp"

namespace slipway::plan {

struct Specialised {
  ir::Graph graph;
  std::vector<ir::NodeId> order;  ///< static nodes: every output has a static fact
  std::vector<ir::NodeId> host;   ///< data-dependent nodes whose inputs are then known
  std::vector<ir::NodeId> rest;   ///< everything after them
};

/// `store` (may be null) is asked before a constant's bytes are read.
Result<Specialised> specialise(const ir::Graph& graph, std::span<const InputDesc> inputs, PackedStore* store);

/// Replaces a node by the nodes of `body` (its inputs: the node's inputs from `first_input` on). Facts of copied values are kept.
void inline_body(ir::Graph& graph, ir::NodeId node, const ir::Graph& body, size_t first_input);

/// The nodes `ids` of `graph` as a graph of their own whose inputs are `inputs` (values made elsewhere).
ir::Graph extract(const ir::Graph& graph, std::span<const ir::NodeId> ids, std::vector<ir::ValueId>& inputs,
                  std::span<const ir::ValueId> outputs);

}  // namespace slipway::plan
