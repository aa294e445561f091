// Sub-graphs of If, Loop, Scan and the like: what they capture, and their own builders.
#include <unordered_set>

#include "import/onnx/graph_builder.hpp"
#include "import/onnx/limits.hpp"

namespace slipway::import::onnx {

using ir::Fact;
using ir::kNone;
using ir::ValueId;

/// The union over the node's sub-graphs, in order of first use. Values (not constants) are noted as the node's captures.
std::vector<GraphBuilder::Captured> GraphBuilder::find_captured(Draft& draft) {
  std::vector<Captured> captured;
  std::unordered_set<Text> seen;
  for (const AttributeProto& attribute : draft.proto.attributes) {
    for (const GraphProto& graph : attribute.graphs) {
      for (Text name : graph.free_names) {
        if (!seen.insert(name).second) continue;
        const auto at = draft.scope.names.find(name);
        if (at == draft.scope.names.end()) {
          broken(draft, missing_value(draft.scope, name).with("in a sub-graph"));
          captured.push_back({.name = name, .value_name = std::string(name), .poisoned = true});
        } else if (at->second == kNone) {
          captured.push_back({.name = name, .absent = true});
        } else {
          const ir::ValueInfo& value = graph_.value(at->second);
          captured.push_back({name, value.name, value.fact, value.constant, false, is_poisoned(at->second)});
          if (!value.is_constant()) draft.captures.push_back(at->second);
          if (is_poisoned(at->second)) draft.sound = false;
        }
      }
    }
  }
  return captured;
}

/// ONNX lets a body leave the types of its inputs open; for loops they follow from the node's inputs.
std::vector<Fact> GraphBuilder::input_hints(const Draft& draft) const {
  std::vector<Fact> hints;
  const bool loop = draft.node.op_type == "Loop";
  if (!draft.node.domain.empty() || (!loop && draft.node.op_type != "Scan")) return hints;
  for (size_t i = 0; i < draft.node.inputs.size(); ++i) {
    if (loop && i < 2) {
      hints.push_back(Fact::tensor(i == 0 ? ElementType::i64 : ElementType::boolean, ir::Shape{}));
      continue;
    }
    const ValueId id = draft.node.inputs[i];
    Fact fact = id == kNone ? Fact() : graph_.value(id).fact;
    fact.shape.reset();
    hints.push_back(std::move(fact));
  }
  return hints;
}

Result<ir::GraphRef> GraphBuilder::subgraph(Draft& draft, const GraphProto& proto, std::span<const Captured> captured) {
  if (depth_ + 1 > kMaxGraphDepth) return fail(ErrorCode::limit, "sub-graphs are nested deeper than {} levels", kMaxGraphDepth);
  if (draft.node.op_type == "If" && draft.node.domain.empty() && !proto.inputs.empty())
    broken(draft, fail(ErrorCode::invalid_model, "a branch takes no inputs, '{}' is one", proto.inputs[0].name));
  GraphBuilder builder(model_, depth_ + 1);
  ir::Graph graph = TRY(std::move(builder).build(proto, draft.scope.frame, {captured, input_hints(draft)}));
  return std::make_shared<const ir::Graph>(std::move(graph));
}

}  // namespace slipway::import::onnx
