#include "import/onnx/graph_builder.hpp"

#include <algorithm>
#include <unordered_set>

#include "import/onnx/limits.hpp"
#include "import/onnx/type_proto.hpp"

namespace slipway::import::onnx {

using ir::Fact;
using ir::kNone;
using ir::ValueId;

Result<ir::Graph> GraphBuilder::build(const GraphProto& proto, const Frame& frame, const Surroundings& around) && {
  TRY(model_.count_graph());
  graph_.name = proto.name;
  graph_.symbols.assign(model_.proto().symbols.begin(), model_.proto().symbols.end());
  Scope scope{frame, proto.nodes, {}, {}, {}};
  for (const ValueProto& v : proto.values) scope.declared.emplace(v.name, v.type);
  for (const ValueProto& v : proto.outputs) scope.declared.insert_or_assign(v.name, v.type);
  add_constants(proto, scope);
  add_inputs(proto, scope, around);
  add_captured(proto, scope, around);
  for (const NodeProto& node : proto.nodes) TRY(add_node(node, scope));
  add_outputs(proto, scope);
  return std::move(graph_);
}

void GraphBuilder::add_constants(const GraphProto& proto, Scope& scope) {
  const auto add = [&](Text name, Result<Tensor> tensor) {
    const std::string where = fmt::format("initializer {}", name);
    if (!tensor) {
      model_.problems.other(std::move(tensor).error(), where);
      define(scope, name, add_poisoned(std::string(name)), where);
      return;
    }
    define(scope, name, graph_.add_constant(std::string(name), std::move(tensor).value()), where);
  };
  // The main graph's are read once; a tensor in a function as often as the function is called.
  model_.source.disposable = model_.disposable && depth_ == 0;
  for (const TensorProto& t : proto.initializers)
    add(t.name, guarded("its message", [&] { return load_tensor(t.bytes, model_.source); }));
  for (const SparseTensorProto& t : proto.sparse_initializers) {
    add(t.name, guarded("its message", [&] { return load_sparse_tensor(t.bytes, model_.source); }));
  }
  model_.source.disposable = false;
}

void GraphBuilder::add_inputs(const GraphProto& proto, Scope& scope, const Surroundings& around) {
  const auto is_initializer = [&](Text name) {
    const auto at = scope.names.find(name);
    return at != scope.names.end() && (graph_.value(at->second).is_constant() || is_poisoned(at->second));
  };
  for (size_t i = 0; i < proto.inputs.size(); ++i) {
    const ValueProto& input = proto.inputs[i];
    if (is_initializer(input.name)) continue;  // a default that IR 3 demands and later ones allow: slipway takes it as constant
    const std::string where = fmt::format("graph input {}", input.name);
    Result<Fact> fact = guarded("its type", [&] { return load_fact(input.type, &graph_); });
    if (!fact) model_.problems.other(fact.error(), where);
    Fact known = fact ? *fact : Fact();
    if (i < around.hints.size() && (known.kind == Fact::Kind::unknown || known.type == ElementType::undefined) &&
        compatible(known, around.hints[i])) {
      known = merge(known, around.hints[i]);
    }
    if (fact && depth_ == 0 &&
        (known.kind == Fact::Kind::unknown || (known.is_tensor() && known.type == ElementType::undefined))) {
      model_.problems.other(Error(ErrorCode::invalid_model, "its type is not declared"), where);
    }
    define(scope, input.name, graph_.add_input(std::string(input.name), std::move(known)), where);
  }
}

void GraphBuilder::add_captured(const GraphProto& proto, Scope& scope, const Surroundings& around) {
  const std::unordered_set<Text> free(proto.free_names.begin(), proto.free_names.end());
  std::unordered_set<Text> own;  // names that the sub-graph makes itself
  for (const auto& [name, id] : scope.names) own.insert(name);
  for (const NodeProto& node : proto.nodes) own.insert(node.outputs.begin(), node.outputs.end());
  for (const Captured& c : around.captured) {
    const bool used = free.contains(c.name);
    if (!used && !c.is_input()) continue;
    ValueId id = kNone;
    if (c.is_input()) {
      id = graph_.add_input(own.contains(c.value_name) ? c.value_name + ".captured" : c.value_name, c.fact);
    } else if (c.constant) {
      id = graph_.add_constant(c.value_name, c.constant);
    }
    if (c.poisoned) {
      poisoned_.resize(graph_.value_count());
      poisoned_[id] = true;
    }
    if (used) scope.names.emplace(c.name, id);
  }
}

void GraphBuilder::add_outputs(const GraphProto& proto, Scope& scope) {
  if (proto.outputs.empty() && depth_ == 0) {
    model_.problems.other(Error(ErrorCode::invalid_model, "the graph has no outputs"), graph_.name);
  }
  for (const ValueProto& output : proto.outputs) {
    const std::string where = fmt::format("graph output {}", output.name);
    const auto at = scope.names.find(output.name);
    if (at == scope.names.end() || at->second == kNone) {
      model_.problems.other(fail(ErrorCode::invalid_model, "nothing makes '{}'", output.name), where);
      continue;
    }
    Result<Fact> declared = guarded("its type", [&] { return load_result_fact(output.type, &graph_); });
    if (declared && !is_poisoned(at->second)) {
      const Status agreed = agree(scope, output.name, *declared, graph_.value(at->second).fact, where);
      if (!agreed) {
        model_.problems.other(agreed.error(), where);
        continue;
      }
    }
    // Declared extents are not believed (they outlive edits of a model), but names for what inference left open are welcome.
    std::optional<ir::Shape>& shape = graph_.value(at->second).fact.shape;
    if (declared && declared->shape && shape && declared->shape->size() == shape->size()) {
      for (size_t i = 0; i < shape->size(); ++i) {
        ir::Dim& extent = (*shape)[i];
        if (!extent.known() && !extent.is_symbol() && (*declared->shape)[i].is_symbol()) extent = (*declared->shape)[i];
      }
    }
    graph_.add_output(at->second, std::string(output.name));
  }
}

bool GraphBuilder::define(Scope& scope, Text name, ValueId value, std::string_view where) {
  if (name.empty()) {
    model_.problems.other(Error(ErrorCode::invalid_model, "it has no name"), where);
    return false;
  }
  if (scope.names.emplace(name, value).second) return true;
  model_.problems.other(fail(ErrorCode::invalid_model, "the name '{}' is given twice", name), where);
  return false;
}

ValueId GraphBuilder::add_poisoned(std::string name) {
  const ValueId id = graph_.add_value(std::move(name));
  poisoned_.resize(graph_.value_count());
  poisoned_[id] = true;
  return id;
}

Error GraphBuilder::missing_value(const Scope& scope, Text name) const {
  for (const NodeProto& node : scope.nodes) {
    if (std::find(node.outputs.begin(), node.outputs.end(), name) == node.outputs.end()) continue;
    return fail(ErrorCode::invalid_model, "it reads '{}' before node '{}' makes it: nodes must stand in order, without cycles",
                name, node.name.empty() ? node.op_type : node.name);
  }
  return fail(ErrorCode::invalid_model, "it reads '{}', which nothing makes", name);
}

Status GraphBuilder::agree(const Scope& scope, Text name, Fact declared, const Fact& found, std::string_view where) {
  const auto contradiction = [&] {
    return fail(ErrorCode::invalid_model, "'{}' is declared {}, but the operator gives {}", name,
                to_string(declared, &graph_.symbols), to_string(found, &graph_.symbols));
  };
  Fact shapeless = declared;
  shapeless.shape.reset();
  if (!compatible(shapeless, found)) return contradiction();
  if (runs_once(scope) && !compatible(declared, found)) model_.outdated.add(contradiction().message, where);
  return {};
}

std::string GraphBuilder::unique_node_name(std::string name) {
  size_t& uses = node_names_[name];
  if (uses++ == 0) return name;
  std::string candidate;
  do {
    candidate = fmt::format("{}_{}", name, node_names_[name]++ - 1);
  } while (!node_names_.emplace(candidate, 1).second);
  return candidate;
}

}  // namespace slipway::import::onnx
