// Sub-graphs of If, Loop and Scan under passes: captured constants become their own, captures that nobody reads go.
#pragma once

#include <functional>

#include "ir/graph.hpp"

namespace slipway::passes {

/// Copies each sub-graph of each node, puts outer constants in place of captured values, calls `rewrite` on the copy and stores
/// it; then drops the captures that no sub-graph of the node reads any more.
Status rewrite_subgraphs(ir::Graph& graph, const std::function<Status(ir::Graph&)>& rewrite);

}  // namespace slipway::passes
