// Which constants are read when facts are inferred, before anybody could be asked for their bytes.
#pragma once

#include <set>

#include "ir/graph.hpp"

namespace slipway::engine {

/// Addresses of the constants that stand where an operator reads a value to infer its outputs (shapes, axes, conditions), in
/// sub-graphs and group bodies too. These are never held in packed form alone.
std::set<const void*> constants_read_by_inference(const ir::Graph& graph);

}  // namespace slipway::engine
