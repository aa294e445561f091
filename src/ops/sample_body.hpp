// Sub-graphs for samples.
#pragma once

#include "ops/registry.hpp"

namespace slipway::ops::sample {

/// One node of a plain operator with its default attributes; its first output.
inline ir::ValueId node(ir::Graph& graph, std::string_view op, std::vector<ir::ValueId> inputs) {
  const ir::NodeId id = graph.add_node(get(op), std::string(op), ir::Attrs(get(op)->OpInfo::attrs), std::move(inputs), 1);
  return graph.node(id).outputs[0];
}

/// A graph of the given inputs; `build` adds the nodes and returns the outputs.
inline ir::GraphRef body(const std::vector<Fact>& inputs, std::vector<ir::ValueId> (*build)(ir::Graph& graph)) {
  ir::Graph graph;
  for (size_t i = 0; i < inputs.size(); ++i) graph.add_input("x" + std::to_string(i), inputs[i]);
  const std::vector<ir::ValueId> outputs = build(graph);
  for (size_t i = 0; i < outputs.size(); ++i) graph.add_output(outputs[i], "y" + std::to_string(i));
  if (!ir::infer_all(graph)) return nullptr;
  return std::make_shared<const ir::Graph>(std::move(graph));
}

}  // namespace slipway::ops::sample
