#include "engine/value_reads.hpp"

#include <algorithm>

namespace slipway::engine {
namespace {

/// Adds the constants to `out`; returns which of the graph's inputs are read so.
std::vector<bool> read_in(const ir::Graph& graph, std::set<const void*>& out) {
  std::vector<bool> read(graph.value_count(), false);
  const auto mark = [&](ir::ValueId v) {
    if (v == ir::kNone) return;
    read[v] = true;
    if (graph.value(v).is_constant()) out.insert(graph.value(v).constant.data());
  };
  for (ir::NodeId id = 0; id < graph.node_slots(); ++id) {
    const ir::Node& node = graph.node(id);
    if (!node.alive()) continue;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (((node.op->value_inputs >> std::min<size_t>(i, 31)) & 1) != 0 || node.is("If")) mark(node.inputs[i]);
      if (node.is("If")) break;  // the condition; what the branches read follows
    }
    for (const ir::AttrEntry& attr : node.attrs.entries()) {
      const auto* held = std::get_if<ir::GraphRef>(&attr.value);
      if (held == nullptr || *held == nullptr) continue;
      // The last inputs of a body are bound to the last inputs of its node.
      const std::vector<bool> inner = read_in(**held, out);
      const std::vector<ir::ValueId>& inputs = (*held)->inputs();
      for (size_t k = 1; k <= std::min(inputs.size(), node.inputs.size()); ++k) {
        if (inner[inputs[inputs.size() - k]]) mark(node.inputs[node.inputs.size() - k]);
      }
    }
  }
  return read;
}

}  // namespace

std::set<const void*> constants_read_by_inference(const ir::Graph& graph) {
  std::set<const void*> out;
  read_in(graph, out);
  return out;
}

}  // namespace slipway::engine
