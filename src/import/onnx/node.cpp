// One node: found among the operators, brought to the newest version, checked, placed, its facts inferred.
#include <algorithm>
#include <limits>

#include "import/onnx/attribute.hpp"
#include "import/onnx/graph_builder.hpp"
#include "import/onnx/type_proto.hpp"
#include "ops/registry.hpp"

namespace slipway::import::onnx {

using ir::Fact;
using ir::kNone;
using ir::ValueId;

namespace {

constexpr int64_t kAnyOpset = std::numeric_limits<int64_t>::max();

/// The opset of a domain as the frame sees it: a function may leave out what the model says. 0: not imported.
int64_t opset_of(const Frame& frame, const Frame& model, Text domain) {
  for (const Frame* f : {&frame, &model}) {
    const auto at = f->opsets.find(domain);
    if (at != f->opsets.end()) return at->second;
  }
  return domain.empty() ? 0 : kAnyOpset;
}

Tensor string_tensor(const Dims& dims, std::span<const std::string> values) {
  return Tensor::from(ElementType::string, dims, values);
}

/// The value of a Constant node from its one attribute; no tensor when the kind cannot be one.
Tensor constant_of(const ir::AttrValue& value) {
  const auto length = [](const auto& list) { return Dims{static_cast<int64_t>(list.size())}; };
  if (const auto* t = std::get_if<Tensor>(&value)) return *t;
  if (const auto* f = std::get_if<float>(&value)) return Tensor::scalar(*f);
  if (const auto* i = std::get_if<int64_t>(&value)) return Tensor::scalar(*i);
  if (const auto* s = std::get_if<std::string>(&value)) return string_tensor({}, {s, 1});
  if (const auto* list = std::get_if<std::vector<int64_t>>(&value)) return Tensor::vector(*list);
  if (const auto* list = std::get_if<std::vector<std::string>>(&value)) return string_tensor(length(*list), *list);
  if (const auto* list = std::get_if<std::vector<float>>(&value)) {
    return Tensor::from<float>(ElementType::f32, length(*list), *list);
  }
  return {};
}

}  // namespace

Status GraphBuilder::add_node(const NodeProto& proto, Scope& scope) {
  TRY(model_.count(proto, scope.frame));
  std::string name = proto.name.empty() ? fmt::format("{}_{}", proto.op_type, graph_.node_slots()) : std::string(proto.name);
  name = unique_node_name(scope.prefix + name);
  Draft draft{proto, scope, fmt::format("{} ({})", name, proto.op_type), {}, {}};
  draft.node.name = std::move(name);
  draft.node.domain = proto.domain;
  draft.node.op_type = proto.op_type;
  draft.node.graph = &graph_;
  draft.node.output_count = proto.outputs.size();
  find_inputs(draft);
  if (const FunctionProto* function = model_.function_of(proto)) return call(draft, *function);
  TRY(load_attributes(draft));
  if (draft.node.op_type == "Constant" && draft.node.domain.empty()) {
    place_constant(draft);
  } else {
    place(draft);
  }
  if (!draft.sound) poison_outputs(draft);
  return {};
}

void GraphBuilder::broken(Draft& draft, const Error& error) {
  draft.sound = false;
  model_.problems.other(error, draft.label);
}

void GraphBuilder::find_inputs(Draft& draft) {
  for (Text name : draft.proto.inputs) {
    ValueId id = kNone;
    if (!name.empty()) {
      const auto at = draft.scope.names.find(name);
      if (at == draft.scope.names.end()) {
        broken(draft, missing_value(draft.scope, name));
        id = add_poisoned(std::string(name));
      } else {
        id = at->second;
        if (is_poisoned(id)) draft.sound = false;
      }
    }
    draft.node.inputs.push_back(id);
  }
}

Status GraphBuilder::load_attributes(Draft& draft) {
  const std::vector<Captured> captured = find_captured(draft);
  for (const AttributeProto& attribute : draft.proto.attributes) {
    ir::AttrValue value;
    if (!attribute.reference.empty()) {
      const auto bound = draft.scope.frame.attributes.find(attribute.reference);
      if (draft.scope.frame.function == nullptr) {
        broken(draft,
               fail(ErrorCode::invalid_model, "attribute '{}' stands for a function's attribute '{}', outside of any function",
                    attribute.name, attribute.reference));
      }
      if (bound == draft.scope.frame.attributes.end()) continue;  // not given: the operator's default holds
      value = bound->second;
    } else if (attribute.graphs.empty()) {
      Result<ir::AttrValue> loaded = guarded("its message", [&] { return load_attribute(attribute, model_.source); });
      if (!loaded) {
        broken(draft, std::move(loaded).error().with(fmt::format("in attribute '{}'", attribute.name)));
        continue;
      }
      value = std::move(loaded).value();
    } else {
      std::vector<ir::GraphRef> graphs;
      for (const GraphProto& proto : attribute.graphs) graphs.push_back(TRY(subgraph(draft, proto, captured)));
      if (kind_of(attribute) == AttributeKind::graph) {
        value = std::move(graphs.front());
      } else {
        value = std::move(graphs);
      }
    }
    if (!draft.node.attrs.emplace(attribute.name, std::move(value)).second) {
      broken(draft, fail(ErrorCode::invalid_model, "attribute '{}' is given twice", attribute.name));
    }
  }
  return {};
}

void GraphBuilder::place_constant(Draft& draft) {
  if (!draft.sound) return;
  const Tensor tensor = draft.node.attrs.size() == 1 ? constant_of(draft.node.attrs.begin()->second) : Tensor();
  if (!tensor || draft.proto.outputs.size() != 1 || !draft.proto.inputs.empty()) {
    return broken(draft,
                  Error(ErrorCode::invalid_model, "it needs exactly one attribute that is a value, one output and no input"));
  }
  const Text name = draft.proto.outputs[0];
  define(draft.scope, name, graph_.add_constant(draft.scope.prefix + std::string(name), tensor), draft.label);
}

void GraphBuilder::place(Draft& draft) {
  const ops::Op* op = find_op(draft);
  if (op == nullptr || !draft.sound) return;
  if (!upgrade(draft, op)) return;
  ir::Attrs attrs(op->OpInfo::attrs);
  if (!set_attributes(draft, *op, attrs) || !check_ports(draft, *op)) return;
  add_to_graph(draft, *op, std::move(attrs));
}

const ops::Op* GraphBuilder::find_op(Draft& draft) {
  ops::OnnxNode& node = draft.node;
  const ops::Op* op = ops::find(node.domain, node.op_type);
  if (op == nullptr) {
    draft.sound = false;
    model_.problems.unknown_operator(node.domain, node.op_type, node.name);
    return nullptr;
  }
  const int64_t opset = opset_of(draft.scope.frame, model_.frame(), draft.proto.domain);
  node.opset = static_cast<int>(std::min<int64_t>(opset, std::numeric_limits<int>::max()));
  for (int version : op->versions()) {
    if (version <= opset) node.version = version;
  }
  if (node.version != 0) return op;
  draft.sound = false;
  model_.problems.version(node.domain, node.op_type, opset, op->versions().front(), node.name);
  return nullptr;
}

bool GraphBuilder::upgrade(Draft& draft, const ops::Op*& op) {
  ops::OnnxNode& node = draft.node;
  if (op->upgrade_function() == nullptr || node.version == op->versions().back()) return true;
  // Upgrades may index the inputs that the newest version requires; the first one every version has, unless it begins a list.
  const auto required = static_cast<size_t>(op->min_inputs);
  if (node.inputs.size() < required) node.inputs.resize(required, kNone);
  if (required != 0 && node.inputs[0] == kNone && !op->inputs()[0].variadic) {
    broken(draft, Error(ErrorCode::invalid_model, "the required input 0 is missing"));
    return false;
  }
  Status done = op->upgrade_function()(node);
  if (done && (node.op_type != op->name || ops::find(node.domain, node.op_type) != op)) {
    op = ops::find(node.domain, node.op_type);
    if (op == nullptr) done = fail(ErrorCode::internal, "it was upgraded to the unknown operator {}", node.op_type);
  }
  if (!done) broken(draft, done.error());
  return static_cast<bool>(done);
}

bool GraphBuilder::set_attributes(Draft& draft, const ops::Op& op, ir::Attrs& attrs) {
  for (const auto& [name, value] : draft.node.attrs) {
    Status set = attrs.set(name, value);
    if (!set) broken(draft, std::move(set).error());
  }
  for (std::string_view name : op.OpInfo::attrs->required()) {
    if (!draft.node.has(name)) broken(draft, fail(ErrorCode::invalid_model, "the required attribute '{}' is missing", name));
  }
  return draft.sound;
}

bool GraphBuilder::check_ports(Draft& draft, const ops::Op& op) {
  std::vector<ValueId>& inputs = draft.node.inputs;
  while (!inputs.empty() && inputs.back() == kNone && inputs.size() > static_cast<size_t>(op.min_inputs)) inputs.pop_back();
  Status arity = ops::check_arity(op, inputs, draft.node.output_count);
  if (!arity) {
    broken(draft, std::move(arity).error());
    return false;
  }
  std::vector<const Fact*> facts;
  for (ValueId id : inputs) facts.push_back(id == kNone ? nullptr : &graph_.value(id).fact);
  Status types = ops::check_types(op, facts);
  if (types) return true;
  draft.sound = false;
  model_.problems.type(draft.node.op_type, std::move(types).error(), draft.node.name);
  return false;
}

bool GraphBuilder::add_to_graph(Draft& draft, const ops::Op& op, ir::Attrs attrs) {
  ir::Node node{&op, draft.node.name, std::move(attrs), draft.node.inputs, {}, kNone};
  if (!draft.captures.empty()) {
    node.captures_at = static_cast<uint32_t>(node.inputs.size());
    node.inputs.insert(node.inputs.end(), draft.captures.begin(), draft.captures.end());
  }
  const auto& names = draft.proto.outputs;
  for (size_t i = 0; i < draft.node.output_count; ++i) {
    const Text name = i < names.size() ? names[i] : Text();
    node.outputs.push_back(name.empty() ? kNone : graph_.add_value(draft.scope.prefix + std::string(name)));
  }
  const std::vector<ValueId> outputs = node.outputs;
  const ir::NodeId id = graph_.add_node(std::move(node));
  Result<std::vector<Fact>> facts = ir::infer_node(graph_, graph_.node(id));
  if (!facts) {
    Error error = std::move(facts).error();
    if (!error.notes.empty()) error.notes.pop_back();  // the node's name, which the list of problems says itself
    broken(draft, error);
    return false;
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i] == kNone) continue;
    define(draft.scope, names[i], outputs[i], draft.label);
    settle(draft, outputs[i], names[i], std::move((*facts)[i]));
  }
  return true;
}

bool GraphBuilder::settle(Draft& draft, ValueId value, Text name, Fact inferred) {
  const auto at = draft.scope.declared.find(name);
  Fact declared;
  if (at != draft.scope.declared.end()) {
    Result<Fact> loaded = guarded("its type", [&] { return load_result_fact(at->second, nullptr); });
    if (loaded) declared = std::move(loaded).value();
  }
  const Status agreed = agree(draft.scope, name, declared, inferred, draft.label);
  if (!agreed) {
    broken(draft, agreed.error());
    return false;
  }
  // Of what inference left open the declared rank is believed, the extents are not.
  if (declared.shape) declared.shape->assign(declared.shape->size(), ir::Dim::unknown());
  if (declared.shape && inferred.shape) declared.shape.reset();
  graph_.value(value).fact = merge(inferred, declared);
  return true;
}

void GraphBuilder::poison_outputs(Draft& draft) {
  for (Text name : draft.proto.outputs) {
    if (name.empty()) continue;
    const auto at = draft.scope.names.find(name);
    if (at == draft.scope.names.end()) {
      draft.scope.names.emplace(name, add_poisoned(draft.scope.prefix + std::string(name)));
    } else if (at->second != kNone) {
      poisoned_.resize(graph_.value_count());
      poisoned_[at->second] = true;
    }
  }
}

}  // namespace slipway::import::onnx
