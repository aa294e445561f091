#include "passes/inline.hpp"

namespace slipway::passes {

Result<std::vector<ir::ValueId>> inlined(ir::Patch& patch, const ir::Graph& body, std::span<const ir::ValueId> arguments,
                                         std::string_view prefix) {
  std::vector<ir::ValueId> there(body.value_count(), ir::kNone);
  for (size_t i = 0; i < arguments.size(); ++i) there[body.inputs()[i]] = arguments[i];
  const auto value = [&](ir::ValueId v) {
    if (v == ir::kNone) return v;
    if (there[v] == ir::kNone) there[v] = patch.constant(body.value(v).constant);
    return there[v];
  };
  for (ir::NodeId id : TRY(body.topological())) {
    ir::Node copy = body.node(id);
    for (ir::ValueId& v : copy.inputs) v = value(v);
    copy.name = std::string(prefix) + copy.name;
    const std::vector<ir::ValueId> made = TRY(patch.add(std::move(copy)));
    for (size_t i = 0; i < made.size(); ++i) {
      if (made[i] != ir::kNone) there[body.node(id).outputs[i]] = made[i];
    }
  }
  std::vector<ir::ValueId> outputs;
  for (ir::ValueId v : body.outputs()) outputs.push_back(value(v));
  return outputs;
}

}  // namespace slipway::passes
