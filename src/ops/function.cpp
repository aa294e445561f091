#include "ops/function.hpp"

#include <map>

#include "base/low_precision.hpp"
#include "ops/cast.hpp"
#include "ops/reference.hpp"
#include "ops/registry.hpp"

namespace slipway::ops {

size_t FunctionBody::rank(ir::ValueId v) {
  if (v != ir::kNone && graph_.value(v).fact.shape) return graph_.value(v).fact.shape->size();
  fail(Error(ErrorCode::unsupported, "the rank of an input must be known"));
  return 0;
}

ir::ValueId FunctionBody::constant(Tensor tensor) {
  return graph_.add_constant("c" + std::to_string(graph_.value_count()), std::move(tensor));
}

ir::ValueId FunctionBody::number(ElementType type, double value) {
  if (!contains(kNumeric, type)) {
    fail(Error(ErrorCode::unsupported, "the type of an input must be known"));
    return ir::kNone;
  }
  Tensor scalar(type, {});
  store_double(scalar.data(), type, 0, value);
  return constant(std::move(scalar));
}

Result<std::vector<ir::ValueId>> FunctionBody::add(const Op& op, Attrs attrs, std::vector<ir::ValueId> inputs, size_t outputs) {
  while (static_cast<int>(inputs.size()) > op.min_inputs && inputs.back() == ir::kNone) inputs.pop_back();
  std::vector<const Fact*> facts;
  for (ir::ValueId v : inputs) facts.push_back(v == ir::kNone ? nullptr : &graph_.value(v).fact);
  TRY(check_arity(op, inputs, outputs));
  TRY(check_types(op, facts));
  std::string node_name = std::string(op.name) + std::to_string(graph_.node_slots());
  const ir::NodeId id = graph_.add_node(&op, std::move(node_name), std::move(attrs), std::move(inputs), outputs);
  std::vector<Fact> inferred = TRY(ir::infer_node(graph_, graph_.node(id)));
  std::vector<ir::ValueId> made = graph_.node(id).outputs;
  for (size_t i = 0; i < made.size(); ++i) graph_.value(made[i]).fact = std::move(inferred[i]);
  return made;
}

std::vector<ir::ValueId> FunctionBody::nodes(std::string_view op, Attrs attrs, std::vector<ir::ValueId> inputs, size_t outputs,
                                             std::string_view domain) {
  std::vector<ir::ValueId> nothing(outputs, ir::kNone);
  if (error_) return nothing;
  Result<std::vector<ir::ValueId>> made = add(*get(op, domain), std::move(attrs), std::move(inputs), outputs);
  if (made) return std::move(made).value();
  fail(std::move(made).error());
  return nothing;
}

ir::ValueId FunctionBody::node(std::string_view op, Attrs attrs, std::vector<ir::ValueId> inputs) {
  return nodes(op, std::move(attrs), std::move(inputs), 1).front();
}

ir::ValueId FunctionBody::node(std::string_view op, std::vector<ir::ValueId> inputs) {
  return node(op, Attrs(get(op)->OpInfo::attrs), std::move(inputs));
}

ir::ValueId FunctionBody::cast(ir::ValueId v, ElementType to) {
  return type(v) == to ? v : node("Cast", CastAttrs{.to = to}, {v});
}

Result<ir::Graph> body_graph(BodyBuilder build, const Attrs& attrs, std::span<const Fact* const> inputs,
                             std::span<const Tensor* const> values, size_t outputs) {
  ir::Graph graph;
  std::vector<ir::ValueId> ids;
  for (size_t i = 0; i < inputs.size(); ++i) {
    ids.push_back(inputs[i] == nullptr ? ir::kNone : graph.add_input("x" + std::to_string(i), *inputs[i]));
    if (inputs[i] != nullptr && i < values.size() && values[i] != nullptr) graph.value(ids[i]).constant = *values[i];
  }
  FunctionBody body(graph, attrs, std::move(ids), outputs);
  build(body);
  if (body.error()) return *body.error();
  for (size_t i = 0; i < outputs; ++i) {
    const ir::ValueId v = body.outputs()[i];
    if (v == ir::kNone) return fail(ErrorCode::unsupported, "output {} of this operator is not made", i);
    graph.add_output(v, "y" + std::to_string(i));
  }
  return graph;
}

namespace {
/// Filled while the registry is built, read only afterwards. Every body has an inference function of its own.
std::map<Status (*)(InferContext&), BodyBuilder>& bodies() {
  static std::map<Status (*)(InferContext&), BodyBuilder> table;
  return table;
}
}  // namespace

BodyBuilder body_of(const ir::OpInfo& op) {
  const auto at = bodies().find(op.infer);
  return at == bodies().end() ? nullptr : at->second;
}

namespace detail {

void remember_body(Status (*infer)(InferContext&), BodyBuilder build) {
  bodies()[infer] = build;
}

Status infer_body(InferContext& c, const Attrs& attrs, BodyBuilder build) {
  std::vector<const Fact*> facts(c.input_count(), nullptr);
  std::vector<const Tensor*> values(c.input_count(), nullptr);
  for (size_t i = 0; i < facts.size(); ++i) {
    if (!c.has_input(i)) continue;
    facts[i] = &c.input(i);
    values[i] = c.value(i);
  }
  Result<ir::Graph> graph = body_graph(build, attrs, facts, values, c.output_count());
  if (!graph) return graph.error().code == ErrorCode::unsupported ? Status() : Status(std::move(graph).error());
  for (size_t i = 0; i < c.output_count(); ++i) c.set(i, graph->value(graph->outputs()[i]).fact);
  return {};
}

Status run_body(RefContext& c, BodyBuilder build) {
  std::vector<Fact> held(c.input_count());
  std::vector<const Fact*> facts(c.input_count(), nullptr);
  std::vector<const Tensor*> tensors(c.input_count(), nullptr);
  std::vector<Value> arguments;
  for (size_t i = 0; i < held.size(); ++i) {
    if (!c.has(i)) continue;
    held[i] = Fact::tensor(c.in(i).type(), c.in(i).dims());
    facts[i] = &held[i];
    tensors[i] = &c.in(i);
    arguments.push_back(c.value(i));
  }
  const ir::Graph graph = TRY(body_graph(build, c.node().attrs, facts, tensors, c.output_count()));
  std::vector<Value> results = TRY(c.runner()(graph, arguments));
  for (size_t i = 0; i < results.size(); ++i) c.set(i, std::move(results[i]));
  return {};
}

}  // namespace detail
}  // namespace slipway::ops
