#include "plan/specialise.hpp"

#include <algorithm>
#include <map>

#include "base/format.hpp"
#include "ops/evaluate.hpp"
#include "ops/registry.hpp"

namespace slipway::plan {
namespace {

/// Larger results are left to the plan's kernels; shape arithmetic is far below.
constexpr int64_t kMaxFoldedElements = 1 << 16;

using ir::kNone;
using ir::NodeId;
using ir::OpInfo;
using ir::ValueId;

bool all_static(const ir::Graph& graph, const ir::Node& node) {
  for (ValueId v : node.outputs) {
    if (v != kNone && !graph.value(v).fact.is_static()) return false;
  }
  for (ValueId v : node.inputs) {
    if (v != kNone && !graph.value(v).fact.is_static()) return false;
  }
  return true;
}

bool all_known(const ir::Graph& graph, const ir::Node& node) {
  return std::all_of(node.inputs.begin(), node.inputs.end(),
                     [&](ValueId v) { return v == kNone || graph.value(v).is_constant(); });
}

bool foldable(const ir::Graph& graph, const ir::Node& node) {
  if (node.op->has(OpInfo::kRandom) || node.op->has(OpInfo::kHasSubgraph) || node.op->has(OpInfo::kGroup)) return false;
  for (ValueId v : node.outputs) {
    if (v == kNone) continue;
    const ir::Fact& fact = graph.value(v).fact;
    if (fact.is_static() && fact.dims().count() > kMaxFoldedElements) return false;
    if (!fact.is_tensor() || fact.optional) return false;
  }
  return all_known(graph, node) || node.is("Shape") || node.is("Size");
}

Status fold(ir::Graph& graph, NodeId id, PackedStore* store) {
  const ir::Node& node = graph.node(id);
  std::vector<Tensor> shells;  // Shape and Size read extents alone: a tensor without bytes stands for the input
  shells.reserve(node.inputs.size());
  std::vector<ir::Value> values(node.inputs.size());
  std::vector<const ir::Value*> arguments(node.inputs.size(), nullptr);
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (node.inputs[i] == kNone) continue;
    const ir::ValueInfo& v = graph.value(node.inputs[i]);
    if (v.is_constant() && store != nullptr) TRY(store->provide(v.constant));
    values[i] = v.is_constant() ? ir::Value(v.constant) : ir::Value(Tensor(v.fact.type, v.fact.dims(), nullptr, nullptr));
    arguments[i] = &values[i];
  }
  std::vector<ir::Value> results = TRY(ops::evaluate_node(graph, node, arguments, ops::reference_runner()));
  const std::vector<ValueId> outputs = node.outputs;
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i] == kNone || results[i].tensor() == nullptr) continue;
    ir::ValueInfo& out = graph.value(outputs[i]);
    out.constant = *results[i].tensor();
    out.fact = ir::Fact::tensor(out.constant.type(), out.constant.dims());
  }
  graph.remove_node(id);
  return {};
}

/// Shape and Size need their input's extents only.
bool extents_known(const ir::Graph& graph, const ir::Node& node) {
  if (!node.is("Shape") && !node.is("Size")) return true;
  const ir::Fact& fact = graph.value(node.inputs[0]).fact;
  if (!fact.is_tensor() || !fact.shape || fact.optional) return false;
  return std::all_of(fact.shape->begin(), fact.shape->end(), [](ir::Dim d) { return d.known(); });
}

}  // namespace

void inline_body(ir::Graph& graph, NodeId id, const ir::Graph& body, size_t first_input) {
  const ir::Node node = graph.node(id);
  graph.remove_node(id);
  std::vector<ValueId> map(body.value_count(), kNone);
  for (size_t i = 0; i < body.inputs().size(); ++i) map[body.inputs()[i]] = node.inputs[first_input + i];
  const auto mapped = [&](ValueId v) {
    if (v == kNone) return kNone;
    if (map[v] == kNone) {
      map[v] = graph.add_value(node.name + "/" + body.value(v).name, body.value(v).fact);
      graph.value(map[v]).constant = body.value(v).constant;
    }
    return map[v];
  };
  for (size_t i = 0; i < body.outputs().size(); ++i) {
    const ValueId v = body.outputs()[i];
    if (i < node.outputs.size() && node.outputs[i] != kNone && map[v] == kNone && !body.value(v).is_constant())
      map[v] = node.outputs[i];
  }
  for (NodeId b = 0; b < body.node_slots(); ++b) {
    if (!body.node(b).alive()) continue;
    ir::Node copy = body.node(b);
    copy.name = node.name + "/" + copy.name;
    for (ValueId& v : copy.inputs) v = mapped(v);
    for (ValueId& v : copy.outputs) v = mapped(v);
    graph.add_node(std::move(copy));
  }
  for (size_t i = 0; i < body.outputs().size(); ++i) {
    if (i >= node.outputs.size() || node.outputs[i] == kNone) continue;
    const ValueId made = mapped(body.outputs()[i]);
    if (made != node.outputs[i]) graph.replace_uses(node.outputs[i], made);
  }
}

Result<Specialised> specialise(const ir::Graph& source, std::span<const InputDesc> inputs, PackedStore* store) {
  Specialised out{source, {}, {}, {}};
  ir::Graph& graph = out.graph;
  if (inputs.size() != graph.inputs().size()) {
    return fail(ErrorCode::invalid_argument, "the model takes {} inputs, {} were given", graph.inputs().size(), inputs.size());
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    ir::ValueInfo& value = graph.value(graph.inputs()[i]);
    value.fact = inputs[i].fact;
    if (inputs[i].value) value.constant = inputs[i].value;
  }
  std::vector<bool> done(graph.node_slots(), false), unknown(graph.value_count(), false);
  for (bool again = true; again;) {  // inlining an If adds nodes: walk anew
    again = false;
    out.order.clear();
    for (NodeId id : TRY(graph.topological())) {
      const ir::Node& node = graph.node(id);
      if (!node.alive()) continue;
      const bool waits = std::any_of(node.inputs.begin(), node.inputs.end(), [&](ValueId v) { return v != kNone && unknown[v]; });
      const auto mark_unknown = [&] {
        for (ValueId v : graph.node(id).outputs) {
          if (v != kNone) unknown[v] = true;
        }
      };
      if (waits && !(node.is("Shape") && extents_known(graph, node))) {
        mark_unknown();
        continue;
      }
      if (node.is("If") && graph.value(node.inputs[0]).is_constant()) {
        const std::vector<ir::AttrEntry> attrs = node.attrs.entries();
        const bool taken = to_int64s(graph.value(node.inputs[0]).constant).at(0) != 0;
        for (const ir::AttrEntry& attr : attrs) {
          if (attr.name == (taken ? "then_branch" : "else_branch"))
            inline_body(graph, id, *std::get<ir::GraphRef>(attr.value), 1);
        }
        unknown.assign(graph.value_count(), false);
        again = true;
        break;
      }
      for (ValueId v : node.outputs) {
        if (v != kNone) graph.value(v).fact = ir::Fact();
      }
      std::vector<ir::Fact> facts = TRY(ir::infer_node(graph, node));
      for (size_t i = 0; i < facts.size(); ++i) {
        if (node.outputs[i] != kNone) graph.value(node.outputs[i]).fact = std::move(facts[i]);
      }
      if (foldable(graph, node) && extents_known(graph, node)) {
        TRY(fold(graph, id, store));
      } else if (node.op->has(OpInfo::kDataDependent) || node.op->has(OpInfo::kHasSubgraph) || !all_static(graph, node)) {
        mark_unknown();
      } else {
        out.order.push_back(id);
      }
    }
  }
  ir::remove_dead_nodes(graph);
  std::erase_if(out.order, [&](NodeId id) { return !graph.node(id).alive(); });

  std::vector<bool> available(graph.value_count(), false);
  for (ValueId v = 0; v < graph.value_count(); ++v) available[v] = graph.value(v).producer == kNone;
  std::vector<bool> placed(graph.node_slots(), false);
  const auto place = [&](NodeId id) {
    placed[id] = true;
    for (ValueId v : graph.node(id).outputs) {
      if (v != kNone) available[v] = true;
    }
  };
  for (NodeId id : out.order) place(id);
  const auto ready = [&](const ir::Node& node) {
    return std::all_of(node.inputs.begin(), node.inputs.end(), [&](ValueId v) { return v == kNone || available[v]; });
  };
  const std::vector<NodeId> order = TRY(graph.topological());
  for (NodeId id : order) {
    const ir::Node& node = graph.node(id);
    if (!placed[id] && ready(node) && (node.op->has(OpInfo::kDataDependent) || node.op->has(OpInfo::kHasSubgraph))) {
      out.host.push_back(id);
      place(id);
    }
  }
  if (out.host.empty() && out.order.empty()) {  // nothing static is left: the next ready node goes by reference
    for (NodeId id : order) {
      if (placed[id] || !ready(graph.node(id))) continue;
      out.host.push_back(id);
      place(id);
      break;
    }
  }
  for (NodeId id : order) {
    if (!placed[id]) out.rest.push_back(id);
  }
  return out;
}

ir::Graph extract(const ir::Graph& graph, std::span<const NodeId> ids, std::vector<ValueId>& inputs,
                  std::span<const ValueId> outputs) {
  ir::Graph out;
  out.name = graph.name;
  out.symbols = graph.symbols;
  std::map<ValueId, ValueId> map;
  std::vector<bool> inside(graph.node_slots(), false);
  for (NodeId id : ids) inside[id] = true;
  const auto mapped = [&](ValueId v) {
    if (v == kNone) return kNone;
    const auto at = map.find(v);
    if (at != map.end()) return at->second;
    const ir::ValueInfo& info = graph.value(v);
    ValueId made = kNone;
    if (info.is_constant()) {
      made = out.add_constant(info.name, info.constant);
    } else if (info.producer != kNone && inside[info.producer]) {
      made = out.add_value(info.name);  // facts were partial: inferred anew once the inputs are known
    } else {
      made = out.add_input(info.name, info.fact);
      inputs.push_back(v);
    }
    map.emplace(v, made);
    return made;
  };
  for (NodeId id : ids) {
    ir::Node copy = graph.node(id);
    for (ValueId& v : copy.inputs) v = mapped(v);
    for (ValueId& v : copy.outputs) v = mapped(v);
    out.add_node(std::move(copy));
  }
  for (ValueId v : outputs) out.add_output(mapped(v), graph.value(v).name);
  return out;
}

std::vector<bool> shape_inputs(const ir::Graph& graph) {
  std::vector<bool> wanted(graph.value_count(), false);
  std::vector<ValueId> work;
  const auto want = [&](ValueId v) {
    if (v == kNone || wanted[v] || graph.value(v).is_constant()) return;
    wanted[v] = true;
    work.push_back(v);
  };
  for (NodeId id = 0; id < graph.node_slots(); ++id) {
    const ir::Node& node = graph.node(id);
    if (!node.alive()) continue;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if ((node.op->value_inputs >> std::min<size_t>(i, 31)) & 1) want(node.inputs[i]);
    }
    if (node.is("If")) want(node.inputs[0]);
  }
  while (!work.empty()) {
    const ir::NodeId producer = graph.value(work.back()).producer;
    work.pop_back();
    if (producer == kNone || graph.node(producer).is("Shape") || graph.node(producer).is("Size")) continue;
    for (ValueId v : graph.node(producer).inputs) want(v);
  }
  std::vector<bool> out;
  for (ValueId v : graph.inputs()) out.push_back(wanted[v]);
  return out;
}

}  // namespace slipway::plan
