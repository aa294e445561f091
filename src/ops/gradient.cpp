// Gradient: the derivatives of a value of the graph by others, made of plain nodes when a model is read.
#include <functional>
#include <map>
#include <set>

#include "ops/function.hpp"
#include "ops/gemm.hpp"
#include "ops/onnx_node.hpp"
#include "ops/reduce.hpp"
#include "ops/registry.hpp"
#include "ops/sample.hpp"
#include "ops/shape.hpp"
#include "ops/transpose.hpp"

namespace slipway::ops {
namespace {

using ir::ValueId;

/// Adds nodes; the first failure sticks.
class Maker {
 public:
  explicit Maker(OnnxNode& at) : at_(at) {}

  ValueId node(std::string_view op, Attrs attrs, std::vector<ValueId> inputs) {
    if (error_) return ir::kNone;
    Result<ValueId> made = at_.emit(op, std::move(attrs), std::move(inputs));
    if (made) return *made;
    error_ = std::move(made).error();
    return ir::kNone;
  }
  ValueId node(std::string_view op, std::vector<ValueId> inputs) {
    return node(op, Attrs(get(op)->OpInfo::attrs), std::move(inputs));
  }
  /// `value` as a scalar of the type of `like`.
  ValueId number(double value, ValueId like) {
    Tensor t(fact(like).type, {});
    if (!contains(kFloat, t.type()))
      return refuse(Error(ErrorCode::unsupported, "the derivatives of numbers that are not floats are not known"));
    store<double>(t, 0, value);
    return at_.constant(std::move(t));
  }
  ValueId ints(const std::vector<int64_t>& values) { return at_.constant(Tensor::vector(values)); }
  ValueId refuse(Error error) {
    if (!error_) error_ = std::move(error);
    return ir::kNone;
  }
  const Fact& fact(ValueId v) const { return at_.graph->value(v).fact; }
  const std::optional<Error>& error() const { return error_; }

  /// The sum of `g` over the axes that broadcasting has given it beyond `x`.
  ValueId reduced(ValueId g, ValueId x) {
    if (error_) return ir::kNone;
    const std::optional<Shape>&from = fact(g).shape, &to = fact(x).shape;
    if (!from || !to) return refuse(Error(ErrorCode::unsupported, "the ranks of the differentiated values must be known"));
    std::vector<int64_t> axes;
    const size_t more = from->size() - to->size();
    for (size_t i = 0; i < from->size(); ++i) {
      if (i < more || ((*to)[i - more] == Dim(1) && (*from)[i] != Dim(1))) axes.push_back(static_cast<int64_t>(i));
    }
    if (axes.empty()) return g;
    const ValueId sum = node("ReduceSum", ReduceAttrs{}, {g, ints(axes)});
    return node("Reshape", {sum, node("Shape", {x})});
  }
  /// The last two axes trade places.
  ValueId turned(ValueId x) {
    if (error_) return ir::kNone;
    if (!fact(x).shape || fact(x).shape->size() < 2)
      return refuse(Error(ErrorCode::unsupported, "the factors of a differentiated product must be matrices of known rank"));
    std::vector<int64_t> perm;
    for (size_t i = 0; i < fact(x).shape->size(); ++i) perm.push_back(static_cast<int64_t>(i));
    std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
    return node("Transpose", TransposeAttrs{perm}, {x});
  }

 private:
  OnnxNode& at_;
  std::optional<Error> error_;
};

/// A node on the way back: its inputs, its output and the derivative by that output.
struct Step {
  const ir::Node& node;
  const std::vector<ValueId>& in;
  ValueId out, g;
};
/// The derivatives by the inputs of a node; kNone where there is none.
using Rule = std::vector<ValueId> (*)(Maker&, const Step&);

std::vector<ValueId> reshaped(Maker& m, const Step& s) {
  return {m.node("Reshape", {s.g, m.node("Shape", {s.in[0]})})};
}

/// d(sum over axes): the derivative at every element, for a mean divided by their number.
std::vector<ValueId> spread(Maker& m, const Step& s) {
  const auto& a = s.node.attrs.as<ReduceAttrs>();
  ValueId g = s.g;
  if (!a.keepdims && s.in.size() > 1 && s.in[1] != ir::kNone) g = m.node("Unsqueeze", {g, s.in[1]});
  return {m.node("Expand", {g, m.node("Shape", {s.in[0]})})};
}
std::vector<ValueId> spread_mean(Maker& m, const Step& s) {
  const ValueId all = m.node("Size", {s.in[0]}), kept = m.node("Size", {s.out});
  Attrs like(get("CastLike")->OpInfo::attrs);
  const ValueId count = m.node("CastLike", like, {m.node("Div", {all, kept}), s.g});
  return {m.node("Div", {spread(m, s)[0], count})};
}

std::vector<ValueId> product(Maker& m, const Step& s) {
  return {m.reduced(m.node("MatMul", {s.g, m.turned(s.in[1])}), s.in[0]),
          m.reduced(m.node("MatMul", {m.turned(s.in[0]), s.g}), s.in[1])};
}

std::vector<ValueId> gemm(Maker& m, const Step& s) {
  const auto& a = s.node.attrs.as<GemmAttrs>();
  const ValueId g = m.node("Mul", {s.g, m.number(a.alpha, s.g)});
  const ValueId left = a.transA ? m.turned(s.in[0]) : s.in[0], right = a.transB ? m.turned(s.in[1]) : s.in[1];
  const ValueId by_left = m.node("MatMul", {g, m.turned(right)}), by_right = m.node("MatMul", {m.turned(left), g});
  std::vector<ValueId> out{a.transA ? m.turned(by_left) : by_left, a.transB ? m.turned(by_right) : by_right};
  if (s.in.size() > 2 && s.in[2] != ir::kNone) out.push_back(m.reduced(m.node("Mul", {s.g, m.number(a.beta, s.g)}), s.in[2]));
  return out;
}

std::vector<ValueId> transposed(Maker& m, const Step& s) {
  const std::optional<Shape>& shape = m.fact(s.in[0]).shape;
  if (!shape) return {m.refuse(Error(ErrorCode::unsupported, "the rank of a transposed value must be known"))};
  const std::vector<int> perm = permutation(s.node.attrs.as<TransposeAttrs>(), static_cast<int>(shape->size()));
  std::vector<int64_t> back(perm.size());
  for (size_t i = 0; i < perm.size(); ++i) back[static_cast<size_t>(perm[i])] = static_cast<int64_t>(i);
  return {m.node("Transpose", TransposeAttrs{back}, {s.g})};
}

const std::map<std::string_view, Rule>& rules() {
  static const std::map<std::string_view, Rule> table = {
      {"Identity", [](Maker&, const Step& s) -> std::vector<ValueId> { return {s.g}; }},
      {"Neg", [](Maker& m, const Step& s) -> std::vector<ValueId> { return {m.node("Neg", {s.g})}; }},
      {"Add",
       [](Maker& m, const Step& s) -> std::vector<ValueId> {
         return {m.reduced(s.g, s.in[0]), m.reduced(s.g, s.in[1])};
       }},
      {"Sub",
       [](Maker& m, const Step& s) -> std::vector<ValueId> {
         return {m.reduced(s.g, s.in[0]), m.reduced(m.node("Neg", {s.g}), s.in[1])};
       }},
      {"Mul",
       [](Maker& m, const Step& s) -> std::vector<ValueId> {
         return {m.reduced(m.node("Mul", {s.g, s.in[1]}), s.in[0]), m.reduced(m.node("Mul", {s.g, s.in[0]}), s.in[1])};
       }},
      {"Div",
       [](Maker& m, const Step& s) -> std::vector<ValueId> {
         const ValueId by_first = m.node("Div", {s.g, s.in[1]});
         return {m.reduced(by_first, s.in[0]), m.reduced(m.node("Neg", {m.node("Mul", {by_first, s.out})}), s.in[1])};
       }},
      {"Sum",
       [](Maker& m, const Step& s) {
         std::vector<ValueId> out;
         for (ValueId x : s.in) out.push_back(m.reduced(s.g, x));
         return out;
       }},
      {"Pow",
       [](Maker& m, const Step& s) -> std::vector<ValueId> {
         const ValueId less = m.node("Pow", {s.in[0], m.node("Sub", {s.in[1], m.number(1, s.in[1])})});
         const ValueId by_base = m.node("Mul", {s.g, m.node("Mul", {s.in[1], less})});
         const ValueId by_power = m.node("Mul", {s.g, m.node("Mul", {s.out, m.node("Log", {s.in[0]})})});
         return {m.reduced(by_base, s.in[0]), m.reduced(by_power, s.in[1])};
       }},
      {"MatMul", product},
      {"Gemm", gemm},
      {"Transpose", transposed},
      {"Reshape", reshaped},
      {"Flatten", reshaped},
      {"Squeeze", reshaped},
      {"Unsqueeze", reshaped},
      {"ReduceSum", spread},
      {"ReduceMean", spread_mean},
      {"Relu",
       [](Maker& m, const Step& s) -> std::vector<ValueId> {
         return {m.node("Where", {m.node("Greater", {s.in[0], m.number(0, s.in[0])}), s.g, m.number(0, s.g)})};
       }},
      {"Sigmoid",
       [](Maker& m, const Step& s) -> std::vector<ValueId> {
         const ValueId slope = m.node("Mul", {s.out, m.node("Sub", {m.number(1, s.out), s.out})});
         return {m.node("Mul", {s.g, slope})};
       }},
      {"Tanh",
       [](Maker& m, const Step& s) -> std::vector<ValueId> {
         return {m.node("Mul", {s.g, m.node("Sub", {m.number(1, s.out), m.node("Mul", {s.out, s.out})})})};
       }},
      {"Exp",
       [](Maker& m, const Step& s) -> std::vector<ValueId> {
         return {m.node("Mul", {s.g, s.out})};
       }},
      {"Log",
       [](Maker& m, const Step& s) -> std::vector<ValueId> {
         return {m.node("Div", {s.g, s.in[0]})};
       }},
      {"Sqrt",
       [](Maker& m, const Step& s) -> std::vector<ValueId> {
         return {m.node("Div", {s.g, m.node("Add", {s.out, s.out})})};
       }},
      {"Sin",
       [](Maker& m, const Step& s) -> std::vector<ValueId> {
         return {m.node("Mul", {s.g, m.node("Cos", {s.in[0]})})};
       }},
      {"Cos",
       [](Maker& m, const Step& s) -> std::
                                       vector<ValueId> {
                                         return {m.node("Neg", {m.node("Mul", {s.g, m.node("Sin", {s.in[0]})})})};
                                       }},
      {"Abs",
       [](Maker& m, const Step& s) -> std::
                                       vector<ValueId> {
                                         return {m.node("Mul", {s.g, m.node("Sign", {s.in[0]})})};
                                       }},
      {"Softplus", [](Maker& m, const Step& s) -> std::vector<ValueId> {
         return {m.node("Mul", {s.g, m.node("Sigmoid", {s.in[0]})})};
       }}};
  return table;
}

/// Nodes from the variables to the target, in order; what else the target needs counts as constant.
Result<std::vector<ir::NodeId>> between(const ir::Graph& graph, const std::set<ValueId>& variables, ValueId target) {
  std::set<ValueId> moved = variables;
  std::vector<ir::NodeId> forward, out;
  for (ir::NodeId id : TRY(graph.topological())) {
    const ir::Node& node = graph.node(id);
    const bool depends = std::any_of(node.inputs.begin(), node.inputs.end(), [&](ValueId v) { return moved.count(v) != 0; });
    if (!depends) continue;
    bool made = false;
    for (ValueId v : node.outputs) made = made || (v != ir::kNone && variables.count(v) == 0 && moved.insert(v).second);
    if (made) forward.push_back(id);
  }
  std::set<ValueId> wanted{target};
  for (auto at = forward.rbegin(); at != forward.rend(); ++at) {
    const ir::Node& node = graph.node(*at);
    if (std::none_of(node.outputs.begin(), node.outputs.end(), [&](ValueId v) { return wanted.count(v) != 0; })) continue;
    out.insert(out.begin(), *at);
    wanted.insert(node.inputs.begin(), node.inputs.end());
  }
  return out;
}

std::vector<std::string> take_names(OnnxNode& node, std::string_view attr) {
  const ir::AttrValue value = node.take(attr);
  const auto* names = std::get_if<std::vector<std::string>>(&value);
  return names == nullptr ? std::vector<std::string>() : *names;
}

/// The names in the attributes are values of the graph so far; the node's inputs stand in their place. The derivatives become
/// the inputs of the newest form.
Status differentiate(OnnxNode& node) {
  const std::vector<std::string> xs = take_names(node, "xs"), zs = take_names(node, "zs");
  const std::string y = node.take_string("y", "");
  ir::Graph& graph = *node.graph;
  std::vector<std::string> names = xs;
  names.insert(names.end(), zs.begin(), zs.end());
  if (xs.empty() || names.size() != node.inputs.size() || node.output_count > xs.size())
    return fail(ErrorCode::invalid_model, "xs and zs name {} values for {} inputs and {} outputs", names.size(),
                node.inputs.size(), node.output_count);
  const auto find = [&](const std::string& name) -> Result<ValueId> {
    const ValueId v = graph.find_value(name);
    if (v == ir::kNone) return fail(ErrorCode::invalid_model, "there is no value '{}' before it", name);
    return v;
  };
  const ValueId target = TRY(find(y));
  std::map<ValueId, ValueId> now;  // a named value, then what depends on it, to the value at this point
  std::set<ValueId> variables;
  bool same = true;
  for (size_t i = 0; i < names.size(); ++i) {
    const ValueId v = TRY(find(names[i]));
    if (node.inputs[i] == ir::kNone) return fail(ErrorCode::invalid_model, "input {} is missing", i);
    now[v] = node.inputs[i];
    same = same && v == node.inputs[i];
    if (i < xs.size()) variables.insert(v);
  }
  std::set<ValueId> given;
  for (const auto& [v, at] : now) given.insert(v);
  const std::vector<ir::NodeId> path = TRY(between(graph, variables, target));
  const std::vector<ir::NodeId> again = same ? std::vector<ir::NodeId>() : TRY(between(graph, given, target));
  Maker m(node);
  const auto at_point = [&](ValueId v) { return now.count(v) != 0 ? now[v] : v; };
  for (ir::NodeId id : again) {  // the function once more, at another point
    const ir::Node copy = graph.node(id);
    std::vector<ValueId> inputs;
    for (ValueId v : copy.inputs) inputs.push_back(at_point(v));
    now[copy.outputs[0]] = m.node(copy.op->name, copy.attrs, std::move(inputs));
  }
  std::map<ValueId, ValueId> slopes;
  const ValueId end = at_point(target);
  if (m.error()) return *m.error();
  slopes[target] = m.node("Expand", {m.number(1, end), m.node("Shape", {end})});
  for (auto it = path.rbegin(); it != path.rend() && !m.error(); ++it) {
    const ir::Node step = graph.node(*it);
    const auto rule = rules().find(step.op->name);
    if (!step.op->domain.empty() || rule == rules().end())
      return fail(ErrorCode::unsupported, "the derivative of {} (node '{}') is not known", step.op->name, step.name);
    if (slopes.count(step.outputs[0]) == 0) continue;
    std::vector<ValueId> inputs;
    for (ValueId v : step.inputs) inputs.push_back(v == ir::kNone ? v : at_point(v));
    const std::vector<ValueId> parts = rule->second(m, {step, inputs, at_point(step.outputs[0]), slopes[step.outputs[0]]});
    for (size_t i = 0; i < parts.size() && !m.error(); ++i) {
      if (parts[i] == ir::kNone || step.inputs[i] == ir::kNone) continue;
      const auto known = slopes.find(step.inputs[i]);
      slopes[step.inputs[i]] = known == slopes.end() ? parts[i] : m.node("Add", {known->second, parts[i]});
    }
  }
  std::vector<ValueId> out;
  for (size_t i = 0; i < node.output_count; ++i) {
    const ValueId v = graph.find_value(xs[i]);
    const ValueId zero = slopes.count(v) != 0 ? ir::kNone : m.node("Sub", {node.inputs[i], node.inputs[i]});
    out.push_back(zero == ir::kNone ? slopes[v] : zero);
  }
  if (m.error()) return *m.error();
  node.inputs = std::move(out);
  return {};
}

void through(FunctionBody& b) {
  for (size_t i = 0; i < b.output_count(); ++i) {
    if (!b.has(i)) return b.fail(fail(ErrorCode::invalid_model, "there is no input {} for output {}", i, i));
    b.set(i, b.node("Identity", {b.in(i)}));
  }
}

std::vector<Sample> samples() {
  return {{"two", NoAttrs{}, {{sample::noise({2, 3})}, {sample::noise({4}, 2)}}, 2}};
}

}  // namespace

OpFamily gradient() {
  OpFamily family;
  // Version 2 is slipway's own: its inputs are the derivatives themselves.
  family.push_back(
      function<through>(
          Op("Gradient", {1, 2}, "ai.onnx.preview.training").in_list("Inputs", kFloat, 0).out_list("Outputs", kFloat, 0))
          .samples(samples)
          .upgrade(differentiate)
          .tolerance(Tolerance::exact)
          .doc("Derivatives of a value of the graph by others."));
  return family;
}

}  // namespace slipway::ops
