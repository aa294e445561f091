// Calls of the model's own functions are inlined: the body's nodes join the graph under the call's name.
#include <algorithm>

#include "import/onnx/attribute.hpp"
#include "import/onnx/graph_builder.hpp"
#include "import/onnx/limits.hpp"

namespace slipway::import::onnx {

using ir::kNone;
using ir::ValueId;

Status GraphBuilder::call(Draft& draft, const FunctionProto& function) {
  const Frame& caller = draft.scope.frame;
  Frame frame;
  frame.function = &function;
  frame.caller = &caller;
  frame.depth = caller.depth + 1;
  if (frame.depth > kMaxFunctionDepth)
    return fail(ErrorCode::limit, "functions call each other deeper than {} levels", kMaxFunctionDepth);
  bool callable = true;
  const auto refuse = [&](const Error& error) {
    broken(draft, error);
    callable = false;
  };
  for (const Frame* f = &caller; f != nullptr; f = f->caller) {
    if (f->function == &function) refuse(fail(ErrorCode::invalid_model, "the function '{}' calls itself", function.name));
  }
  if (draft.node.inputs.size() > function.inputs.size() || draft.proto.outputs.size() > function.outputs.size()) {
    refuse(fail(ErrorCode::invalid_model, "the function '{}' takes {} inputs and gives {} outputs, here are {} and {}",
                function.name, function.inputs.size(), function.outputs.size(), draft.node.inputs.size(),
                draft.proto.outputs.size()));
  }
  if (!bind_attributes(draft, function, frame) || !callable) {
    poison_outputs(draft);
    return {};
  }
  for (const OpsetProto& opset : function.opsets) frame.opsets[opset.domain] = opset.version;
  Scope scope{frame, function.nodes, draft.node.name + "/", {}, {}};
  for (const ValueProto& v : function.values) scope.declared.emplace(v.name, v.type);
  for (size_t i = 0; i < function.inputs.size(); ++i) {
    define(scope, function.inputs[i], i < draft.node.inputs.size() ? draft.node.inputs[i] : kNone, draft.label);
  }
  const auto first_inside = static_cast<ValueId>(graph_.value_count());
  for (const NodeProto& node : function.nodes) TRY(add_node(node, scope));
  for (size_t i = 0; i < draft.proto.outputs.size(); ++i) {
    const Text name = draft.proto.outputs[i];
    if (name.empty()) continue;
    const auto at = scope.names.find(function.outputs[i]);
    if (at == scope.names.end()) {
      refuse(fail(ErrorCode::invalid_model, "the function '{}' makes no '{}'", function.name, function.outputs[i]));
      continue;
    }
    const bool inside = at->second != kNone && at->second >= first_inside;
    if (inside) graph_.value(at->second).name = draft.scope.prefix + std::string(name);
    define(draft.scope, name, at->second, draft.label);
  }
  if (!callable) poison_outputs(draft);
  return {};
}

bool GraphBuilder::bind_attributes(Draft& draft, const FunctionProto& function, Frame& frame) {
  bool good = true;
  const auto bind = [&](const AttributeProto& attribute, const Frame& from) {
    Result<ir::AttrValue> value = ir::AttrValue();
    if (!attribute.reference.empty()) {
      const auto bound = from.attributes.find(attribute.reference);
      if (bound == from.attributes.end()) return;
      value = bound->second;
    } else if (!attribute.graphs.empty()) {
      value = Error(ErrorCode::unsupported, "sub-graphs are not read as attributes of function calls");
    } else {
      value = guarded("its message", [&] { return load_attribute(attribute, model_.source); });
    }
    if (!value) {
      broken(draft, std::move(value).error().with(fmt::format("in attribute '{}'", attribute.name)));
      good = false;
      return;
    }
    frame.attributes.emplace(attribute.name, std::move(value).value());
  };
  for (const AttributeProto& attribute : draft.proto.attributes) {
    const auto& plain = function.attributes;
    const auto& defaults = function.attribute_defaults;
    if (std::find(plain.begin(), plain.end(), attribute.name) == plain.end() &&
        std::none_of(defaults.begin(), defaults.end(), [&](const AttributeProto& d) { return d.name == attribute.name; })) {
      broken(draft, fail(ErrorCode::invalid_model, "the function '{}' has no attribute '{}'", function.name, attribute.name));
      good = false;
      continue;
    }
    bind(attribute, draft.scope.frame);
  }
  const Frame none;
  for (const AttributeProto& attribute : function.attribute_defaults) bind(attribute, none);
  return good;
}

}  // namespace slipway::import::onnx
