// The interpreter of references: runs a Graph node by node with the operators' reference kernels. The slow truth.
#pragma once

#include <functional>
#include <span>

#include "ir/graph.hpp"
#include "ops/reference.hpp"

namespace slipway::ops {

/// Runs one node on values. Result has one Value per output.
Result<std::vector<Value>> evaluate_node(const ir::Graph& graph, const ir::Node& node, std::span<const Value* const> inputs,
                                         const GraphRunner& runner);
/// Runs the whole graph; `tap`, when given, sees every value made. Errors name the node.
Result<std::vector<Value>> evaluate(const ir::Graph& graph, std::span<const Value> inputs,
                                    const std::function<void(ir::ValueId, const Value&)>& tap = {});
/// evaluate() as a GraphRunner.
const GraphRunner& reference_runner();

}  // namespace slipway::ops
