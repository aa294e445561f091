#include "passes/subgraphs.hpp"

#include "base/format.hpp"
#include "passes/pass.hpp"

namespace slipway::passes {
namespace {

struct Subgraph {
  std::string_view attr;
  ir::Graph graph;
  size_t own_inputs() const { return graph.inputs().size() - captures; }
  size_t captures = 0;
};

std::vector<Subgraph> subgraphs_of(const ir::Node& node) {
  std::vector<Subgraph> out;
  const size_t captures = node.inputs.size() - node.declared_inputs();
  for (const ir::AttrEntry& entry : node.attrs.entries()) {
    const auto* held = std::get_if<ir::GraphRef>(&entry.value);
    if (held != nullptr && *held != nullptr && (*held)->inputs().size() >= captures)
      out.push_back({entry.name, **held, captures});
  }
  return out;
}

/// Captured values: constants of the outer graph go in whole, of the others what is known of them.
void bind_captures(const ir::Graph& outer, const ir::Node& node, Subgraph& sub) {
  for (size_t i = 0; i < sub.captures; ++i) {
    const ir::ValueInfo& from = outer.value(node.inputs[node.declared_inputs() + i]);
    const ir::ValueId inner = sub.graph.inputs()[sub.own_inputs() + i];
    if (!from.is_constant()) continue;
    sub.graph.replace_uses(inner, sub.graph.add_constant(sub.graph.unique_name(from.name), from.constant));
  }
}

/// Captures that at least one sub-graph reads.
std::vector<bool> read_captures(const std::vector<Subgraph>& subs) {
  std::vector<bool> read(subs.front().captures, false);
  for (const Subgraph& sub : subs) {
    const Uses uses(sub.graph);
    for (size_t i = 0; i < read.size(); ++i) read[i] = read[i] || !uses.unused(sub.graph.inputs()[sub.own_inputs() + i]);
  }
  return read;
}

void drop_captures(ir::Node& node, std::vector<Subgraph>& subs, const std::vector<bool>& keep) {
  const auto filter = [&keep](const std::vector<ir::ValueId>& ids, size_t own) {
    std::vector<ir::ValueId> out(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(own));
    for (size_t i = 0; i < keep.size(); ++i) {
      if (keep[i]) out.push_back(ids[own + i]);
    }
    return out;
  };
  for (Subgraph& sub : subs) {
    sub.graph.set_inputs(filter(sub.graph.inputs(), sub.own_inputs()));
    sub.captures = node.inputs.size() - node.declared_inputs();
  }
  node.inputs = filter(node.inputs, node.declared_inputs());
  if (node.inputs.size() == node.captures_at) node.captures_at = ir::kNone;
}

}  // namespace

Status rewrite_subgraphs(ir::Graph& graph, const std::function<Status(ir::Graph&)>& rewrite) {
  for (ir::NodeId id = 0; id < graph.node_slots(); ++id) {
    if (!graph.node(id).alive() || !graph.node(id).op->has(ir::OpInfo::kHasSubgraph)) continue;
    std::vector<Subgraph> subs = subgraphs_of(graph.node(id));
    if (subs.empty()) continue;
    for (Subgraph& sub : subs) {
      bind_captures(graph, graph.node(id), sub);
      Status done = rewrite(sub.graph);
      if (!done)
        return std::move(done).error().with(fmt::format("in sub-graph '{}' of node '{}'", sub.attr, graph.node(id).name));
    }
    drop_captures(graph.node(id), subs, read_captures(subs));
    for (Subgraph& sub : subs) {
      TRY(graph.node(id).attrs.set(sub.attr, ir::AttrValue(std::make_shared<const ir::Graph>(std::move(sub.graph)))));
    }
  }
  ir::remove_dead_nodes(graph);
  return {};
}

}  // namespace slipway::passes
