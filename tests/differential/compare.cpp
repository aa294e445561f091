#include "compare.hpp"

#include <algorithm>
#include <cmath>

#include "base/format.hpp"
#include "base/low_precision.hpp"
#include "engine/engine.hpp"
#include "ops/evaluate.hpp"
#include "ops/registry.hpp"
#include "ops/sample.hpp"

namespace slipway::differential {
namespace {

using ir::Value;
using ir::ValueId;

struct Way {
  std::string_view name;
  bool passes, references_only;
  int threads;
  Isa isa;
};

/// How much each computed value is moved, relative to its tensor's scale, to learn how far rounding errors reach, and how often
/// that far an answer may stray.
constexpr double kNudge = 2e-7, kReach = 100;
/// Beyond it squares overflow where they are not summed in double: an answer may be infinite or NaN where it should be large.
constexpr double kLarge = 1e18, kLargeHalf = 60;

double rounding_of(ElementType type) {
  switch (type) {
    case ElementType::f64:
    case ElementType::f32:
      return 1;
    case ElementType::f16:
      return 1e3;
    case ElementType::bf16:
      return 1e4;
    default:
      return is_float(type) ? 1e5 : 1;
  }
}

/// The coarsest rounding anywhere in the graph, in units of f32's.
double rounding_of(const ir::Graph& graph) {
  double most = 1;
  for (ValueId v = 0; v < graph.value_count(); ++v) most = std::max(most, rounding_of(graph.value(v).fact.type));
  return most;
}

/// Quantised results of operators that round may be one off.
bool may_be_one_off(const ir::Graph& graph) {
  for (ir::NodeId id = 0; id < graph.node_slots(); ++id) {
    const ir::Node& node = graph.node(id);
    if (node.alive() && ops::op_of(node).tolerance() == ops::Tolerance::rounding &&
        !is_float(graph.value(node.outputs[0]).fact.type))
      return true;
  }
  return false;
}

/// Every element moved by up to `by` times the largest.
Tensor nudged(const Tensor& t, double by, uint64_t seed) {
  double scale = 0;
  for (int64_t i = 0; i < t.count(); ++i) {
    const double size = std::abs(load_double(t.data(), t.type(), i));
    if (std::isfinite(size)) scale = std::max(scale, size);
  }
  const Tensor noise = ops::sample::random(ElementType::f64, t.dims(), -by * scale, by * scale, seed);
  Tensor out(t.type(), t.dims());
  for (int64_t i = 0; i < t.count(); ++i) {
    store_double(out.data(), t.type(), i, load_double(t.data(), t.type(), i) + noise.as<double>()[i]);
  }
  return out;
}

/// The references' answer with every computed float a little off; what only moves numbers, and whole numbers, stay exact. Empty
/// when that does not run.
std::vector<Value> nudged_answer(const Trial& trial, double by) {
  const ir::Graph& graph = trial.graph;
  std::vector<Value> values(graph.value_count());
  for (size_t i = 0; i < trial.inputs.size(); ++i) values[graph.inputs()[i]] = trial.inputs[i];
  for (ValueId v = 0; v < values.size(); ++v) {
    if (graph.value(v).is_constant()) values[v] = graph.value(v).constant;
  }
  uint64_t seed = 1;
  const std::vector<ir::NodeId> order = graph.topological().value();
  for (const ir::NodeId id : order) {
    const ir::Node& node = graph.node(id);
    std::vector<const Value*> arguments;
    for (const ValueId v : node.inputs) arguments.push_back(v == ir::kNone ? nullptr : &values[v]);
    auto results = ops::evaluate_node(graph, node, arguments, ops::reference_runner());
    if (!results) return {};
    for (size_t i = 0; i < results->size(); ++i) {
      if (node.outputs[i] == ir::kNone) continue;
      Value& value = values[node.outputs[i]] = std::move((*results)[i]);
      if (value.tensor() != nullptr && is_float(value.tensor()->type()) && !only_moves(ops::op_of(node))) {
        value = nudged(*value.tensor(), by, seed++);
      }
    }
  }
  std::vector<Value> answer;
  for (const ValueId v : graph.outputs()) answer.push_back(values[v]);
  return answer;
}

struct Allowance {
  double rounding;  ///< in units of f32's
  bool one_off;     ///< integers too
};

std::string tensors_differ(const Tensor& want, const Tensor& got, const Tensor* moved, Allowance allowance) {
  if (want.type() != got.type() || want.dims() != got.dims()) {
    return fmt::format("{} {} became {} {}", name(want.type()), to_string(want.dims()), name(got.type()), to_string(got.dims()));
  }
  if (!is_float(want.type())) {
    if (want.same_bytes(got)) return {};
    if (!allowance.one_off || want.type() == ElementType::string) return "its elements differ";
    for (int64_t i = 0; i < want.count(); ++i) {
      const int64_t a = load_int64(want.data(), want.type(), i), b = load_int64(got.data(), got.type(), i);
      if (a - b > 1 || b - a > 1) return fmt::format("element {} is {} and should be {}", i, b, a);
    }
    return {};
  }
  if (moved != nullptr && moved->dims() != want.dims()) moved = nullptr;
  const auto at = [](const Tensor& t, int64_t i) { return load_double(t.data(), t.type(), i); };
  double scale = 0, reach = 0;
  for (int64_t i = 0; i < want.count(); ++i) {
    if (std::isfinite(at(want, i))) scale = std::max(scale, std::abs(at(want, i)));
    if (moved != nullptr && std::isfinite(at(*moved, i) - at(want, i)))
      reach = std::max(reach, std::abs(at(*moved, i) - at(want, i)));
  }
  const double allowed = 2e-5 * allowance.rounding * scale + kReach * reach + 1e-30;
  for (int64_t i = 0; i < want.count(); ++i) {
    const double a = at(want, i), b = at(got, i);
    if (a == b || (std::isnan(a) && std::isnan(b)) || std::abs(a - b) <= allowed) continue;
    if (!std::isfinite(b) && scale > (want.type() == ElementType::f16 ? kLargeHalf : kLarge)) continue;
    if (!std::isfinite(b) && allowed >= std::abs(a)) continue;
    if (moved != nullptr && std::isfinite(a) != std::isfinite(at(*moved, i))) continue;
    return fmt::format("element {} of {} is {} and should be {} (allowed {:.2g})", i, to_string(want.dims()), b, a, allowed);
  }
  return {};
}

std::string values_differ(const Value& want, const Value& got, const Value* moved, Allowance allowance) {
  if (want.tensor() == nullptr || got.tensor() == nullptr) return want.held.index() == got.held.index() ? "" : "its kind differs";
  return tensors_differ(*want.tensor(), *got.tensor(), moved == nullptr ? nullptr : moved->tensor(), allowance);
}

}  // namespace

std::string difference(const Trial& trial) {
  const auto want = ops::evaluate(trial.graph, trial.inputs);
  if (!want) return {};  // what the references refuse, any way may refuse or never compute
  const Allowance allowance{rounding_of(trial.graph), may_be_one_off(trial.graph)};
  const std::vector<Value> moved = nudged_answer(trial, kNudge * allowance.rounding);
  const Isa most = detected_isa();
  const Way ways[] = {{"passes, references", true, true, 1, most},
                      {"no passes, tactics", false, false, 1, most},
                      {"passes, tactics, 2 threads", true, false, 2, most},
                      {"passes, tactics, avx2", true, false, 1, std::min(Isa::avx2, most)},
                      {"passes, tactics, portable", true, false, 1, Isa::portable}};
  for (const Way& way : ways) {
    engine::Options options;
    options.passes = way.passes;
    options.references_only = way.references_only;
    options.threads = way.threads;
    options.isa = way.isa;
    const auto engine = engine::Engine::from_graph(trial.graph, options);
    if (!engine) return fmt::format("{}: {}", way.name, engine.error().text());
    std::vector<Value> got;
    const Status ran = (*engine)->session()->run(trial.inputs, got);
    if (!ran) return fmt::format("{}: {}", way.name, ran.error().text());
    for (size_t i = 0; i < want->size(); ++i) {
      const std::string text = values_differ((*want)[i], got[i], i < moved.size() ? &moved[i] : nullptr, allowance);
      if (!text.empty()) return fmt::format("{}: output '{}': {}", way.name, trial.graph.output_names()[i], text);
    }
  }
  return {};
}

namespace {

/// The trial with one output, and `cut`, when not kNone, an input with the value it had.
Trial reduced(const Trial& trial, ValueId output, ValueId cut) {
  Trial out;
  out.origin = trial.origin;
  std::vector<Value> values(trial.graph.value_count());
  for (size_t i = 0; i < trial.inputs.size(); ++i) values[trial.graph.inputs()[i]] = trial.inputs[i];
  (void)ops::evaluate(trial.graph, trial.inputs, [&](ValueId v, const Value& value) { values[v] = value; });

  ir::Graph& graph = out.graph;
  graph.symbols = trial.graph.symbols;
  std::vector<ValueId> there(values.size(), ir::kNone);
  const auto input = [&](ValueId v) {
    ir::Fact fact = trial.graph.value(v).fact;
    if (v == cut) fact = ir::Fact::tensor(values[v].tensor()->type(), values[v].tensor()->dims());
    out.inputs.push_back(values[v]);
    return graph.add_input(trial.graph.value(v).name, std::move(fact));
  };
  std::vector<bool> needed(values.size(), false);
  needed[output] = true;
  const std::vector<ir::NodeId> order = trial.graph.topological().value();
  for (auto id = order.rbegin(); id != order.rend(); ++id) {
    const ir::Node& node = trial.graph.node(*id);
    const bool used =
        std::any_of(node.outputs.begin(), node.outputs.end(), [&](ValueId v) { return v != ir::kNone && v != cut && needed[v]; });
    for (ValueId v : node.inputs) {
      if (used && v != ir::kNone) needed[v] = true;
    }
  }
  for (ValueId v = 0; v < values.size(); ++v) {
    if (!needed[v]) continue;
    const ir::ValueInfo& value = trial.graph.value(v);
    if (value.is_constant()) {
      there[v] = graph.add_constant(value.name, value.constant);
    } else if (value.producer == ir::kNone || v == cut) {
      there[v] = input(v);
    }
  }
  for (const ir::NodeId id : order) {
    ir::Node node = trial.graph.node(id);
    const bool used =
        std::any_of(node.outputs.begin(), node.outputs.end(), [&](ValueId v) { return v != ir::kNone && v != cut && needed[v]; });
    if (!used) continue;
    for (ValueId& v : node.inputs) v = v == ir::kNone ? v : there[v];
    for (ValueId& v : node.outputs) {
      if (v == ir::kNone) continue;
      const ValueId made =
          graph.add_value(v == cut ? trial.graph.value(v).name + "_old" : trial.graph.value(v).name, trial.graph.value(v).fact);
      if (v != cut) there[v] = made;
      v = made;
    }
    graph.add_node(std::move(node));
  }
  graph.add_output(there[output], "y");
  return out;
}

}  // namespace

Trial shrunk(const Trial& trial) {
  Trial best = trial;
  for (bool smaller = true; smaller;) {
    smaller = false;
    for (const ValueId output : best.graph.outputs()) {
      for (ValueId cut = 0; cut <= best.graph.value_count() && !smaller; ++cut) {
        const bool none = cut == best.graph.value_count();
        if (none && best.graph.outputs().size() == 1) continue;
        if (!none && (cut == output || best.graph.value(cut).producer == ir::kNone)) continue;
        Trial next = reduced(best, output, none ? ir::kNone : cut);
        if (next.graph.live_nodes() > best.graph.live_nodes() || (!none && next.graph.live_nodes() == best.graph.live_nodes()))
          continue;
        if (difference(next).empty()) continue;
        best = std::move(next);
        smaller = true;
      }
      if (smaller) break;
    }
  }
  return best;
}

}  // namespace slipway::differential
