// Graph to FlatBuffer, weights aside.
#pragma once

#include <flatbuffers/flatbuffers.h>

#include <map>
#include <vector>

#include "engine/engine_generated.h"
#include "ir/graph.hpp"

namespace slipway::engine {

/// Writes graphs into a builder and collects the constants that are too large to lie in it.
class GraphWriter {
 public:
  explicit GraphWriter(flatbuffers::FlatBufferBuilder& builder) : b_(builder) {}

  flatbuffers::Offset<fb::Graph> graph(const ir::Graph& graph);
  /// Their bytes are to be written as Engine.constants, in this order.
  const std::vector<Tensor>& constants() const { return constants_; }

 private:
  flatbuffers::Offset<fb::Fact> fact(const ir::Fact& fact);
  flatbuffers::Offset<fb::Tensor> tensor(const Tensor& tensor);
  flatbuffers::Offset<fb::Attr> attr(const ir::AttrEntry& entry);
  flatbuffers::Offset<fb::Node> node(const ir::Node& node);

  flatbuffers::FlatBufferBuilder& b_;
  std::vector<Tensor> constants_;
  std::map<std::pair<const void*, size_t>, int> known_;  ///< by address and bytes
};

}  // namespace slipway::engine
