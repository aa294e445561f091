// FlatBuffer to Graph; every id, count and kind is checked before it is used.
#pragma once

#include <functional>

#include "engine/engine_generated.h"
#include "ir/graph.hpp"

namespace slipway::engine {

/// Sub-graphs inside sub-graphs at most this deep.
constexpr int kMaxGraphDepth = 32;

/// Constant `index` of the file as a tensor; an error when there is none of these bytes.
using ConstantReader = std::function<Result<Tensor>(int index, ElementType type, const Dims& dims)>;

Result<ir::Graph> read_graph(const fb::Graph& graph, const ConstantReader& constant, int depth = 0);

}  // namespace slipway::engine
