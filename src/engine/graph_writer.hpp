// Graph to FlatBuffer, weights aside.
#pragma once

#include <flatbuffers/flatbuffers.h>

#include <vector>

#include "engine/engine_generated.h"
#include "ir/graph.hpp"

namespace slipway::engine {

/// Writes graphs into a builder and collects the tensors that want a section of their own.
class GraphWriter {
 public:
  explicit GraphWriter(flatbuffers::FlatBufferBuilder& builder) : b_(builder) {}

  flatbuffers::Offset<fb::Graph> graph(const ir::Graph& graph);
  const std::vector<Tensor>& sections() const { return sections_; }

 private:
  flatbuffers::Offset<fb::Fact> fact(const ir::Fact& fact);
  flatbuffers::Offset<fb::Tensor> tensor(const Tensor& tensor);
  flatbuffers::Offset<fb::Attr> attr(const ir::AttrEntry& entry);
  flatbuffers::Offset<fb::Node> node(const ir::Node& node);

  flatbuffers::FlatBufferBuilder& b_;
  std::vector<Tensor> sections_;
};

}  // namespace slipway::engine
