// FlatBuffer to Graph; every id, count and kind is checked before it is used.
#pragma once

#include <cstring>
#include <functional>
#include <vector>

#include "engine/engine_generated.h"
#include "ir/graph.hpp"

namespace slipway::engine {

/// Sub-graphs inside sub-graphs at most this deep.
constexpr int kMaxGraphDepth = 32;

/// The elements of a vector whose alignment the FlatBuffer verifier does not look at; none for null.
inline std::vector<int64_t> longs(const flatbuffers::Vector<int64_t>* from) {
  std::vector<int64_t> out(from == nullptr ? 0 : from->size());
  if (!out.empty()) std::memcpy(out.data(), from->Data(), out.size() * sizeof(int64_t));
  return out;
}

/// Constant `index` of the file as a tensor; an error when there is none of these bytes.
using ConstantReader = std::function<Result<Tensor>(int index, ElementType type, const Dims& dims)>;

Result<ir::Graph> read_graph(const fb::Graph& graph, const ConstantReader& constant, int depth = 0);

}  // namespace slipway::engine
