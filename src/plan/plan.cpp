#include "plan/plan.hpp"

#include <algorithm>

#include "base/format.hpp"
#include "ops/group.hpp"
#include "plan/arena.hpp"
#include "plan/choose.hpp"
#include "plan/specialise.hpp"
#include "plan/timings.hpp"
#include "plan/work.hpp"
#include "tactic/reorder.hpp"

namespace slipway::plan {
namespace {

using ir::kNone;
using ir::NodeId;
using ir::ValueId;
using tactic::Format;
using tactic::TensorDesc;

struct Buffer {
  size_t bytes = 0;
  Place place;  ///< kind none until the arena is laid out
  uint32_t first = 0, last = 0;
  std::vector<ValueId> values;  ///< those standing on it
};

/// A value in one format.
struct Stand {
  Format format = Format::plain;
  uint32_t buffer = 0;
};

class Planner final {
 public:
  Planner(Plan& plan, const PlanOptions& options)
      : plan_(plan), graph_(plan.graph), options_(options), reorder_options_(options) {
    reorder_options_.references_only = false;
    reorder_options_.forced_tactic.clear();
  }

  Status run(std::span<const NodeId> order, std::span<const ValueId> wanted) {
    stands_.resize(graph_.value_count());
    remaining_.assign(graph_.value_count(), 0);
    for (NodeId id : order) {
      for (ValueId v : graph_.node(id).inputs) {
        if (v != kNone) ++remaining_[v];
      }
    }
    for (ValueId v : wanted) ++remaining_[v];
    for (size_t i = 0; i < graph_.inputs().size(); ++i) {
      const ValueId v = graph_.inputs()[i];
      if (!graph_.value(v).fact.is_static()) continue;
      place_value(v, Format::plain, new_buffer(v, Format::plain, {Place::Kind::input, 0, static_cast<uint32_t>(i), nullptr}));
    }
    for (NodeId id : order) TRY(add_node(id));
    TRY(add_outputs(wanted));
    return lay_out();
  }

 private:
  class Context;

  uint32_t new_buffer(ValueId v, Format format, Place place = {}) {
    const ir::Fact& fact = graph_.value(v).fact;
    Buffer b;
    b.bytes = tactic::buffer_bytes(fact.type, fact.dims(), format);
    b.place = place;
    b.first = b.last = now();
    buffers_.push_back(std::move(b));
    return static_cast<uint32_t>(buffers_.size() - 1);
  }
  uint32_t now() const { return static_cast<uint32_t>(plan_.steps.size()); }
  void place_value(ValueId v, Format format, uint32_t buffer) {
    stands_[v].push_back({format, buffer});
    buffers_[buffer].values.push_back(v);
  }

  const Stand& stand_of(ValueId v) {
    if (stands_[v].empty()) {  // a constant
      place_value(v, Format::plain, new_buffer(v, Format::plain, {Place::Kind::constant, 0, 0, graph_.value(v).constant.data()}));
    }
    return stands_[v].front();
  }

  TensorDesc describe(ValueId v, Format format) const {
    if (v == kNone) return {};
    const ir::ValueInfo& info = graph_.value(v);
    return {info.fact.type, info.fact.dims(), format, info.is_constant() ? &info.constant : nullptr, info.name};
  }

  /// The buffer of `v` in `format`, adding a reorder step when it does not stand so yet.
  Result<uint32_t> in_format(ValueId v, Format format) {
    const Stand first = stand_of(v);
    const Dims dims = graph_.value(v).fact.dims();
    for (const Stand& s : stands_[v]) {
      if (same_bytes(dims, s.format, format)) return s.buffer;
    }
    const uint32_t made = new_buffer(v, format);
    TRY(add_reorder(v, first.format, first.buffer, format, made));
    place_value(v, format, made);
    return made;
  }

  Status add_reorder(ValueId v, Format from, uint32_t from_buffer, Format to, uint32_t to_buffer) {
    ir::Node node;
    node.op = tactic::reorder_op();
    node.name = graph_.value(v).name;
    node.attrs = ir::Attrs(tactic::ReorderAttrs{from, to});
    const TensorDesc in = describe(v, from), out = describe(v, to);
    const tactic::Query query{node, std::span(&in, 1), std::span(&out, 1), options_.machine, options_.tactics};
    const Chosen chosen = choose(query, reorder_options_, nullptr);
    if (chosen.tactic == nullptr) return fail(ErrorCode::internal, "no tactic turns {} into {}", name(from), name(to));
    Step step;
    step.op = "Reorder";
    TRY(build_step(step, query, chosen));
    step.recipe = fmt::format("{} -> {}", name(from), name(to));
    if (options_.record) step.signature = reorder_signature(in, to);
    step.inputs = {Place{}};
    step.outputs = {Place{}};
    use_.push_back({{from_buffer}, {to_buffer}});
    touch(from_buffer);
    buffers_[to_buffer].first = now();
    touch(to_buffer);
    plan_.steps.push_back(std::move(step));
    return {};
  }

  void touch(uint32_t buffer) { buffers_[buffer].last = std::max(buffers_[buffer].last, now()); }

  Status build_step(Step& step, const tactic::Query& query, const Chosen& chosen);

  bool try_view(const ir::Node& node) {
    if (!node.op->has(ir::OpInfo::kView) || node.outputs[0] == kNone || node.outputs.size() != 1) return false;
    const Stand* plain = nullptr;
    stand_of(node.inputs[0]);
    for (const Stand& s : stands_[node.inputs[0]]) {
      if (same_bytes(graph_.value(node.inputs[0]).fact.dims(), s.format, Format::plain)) plain = &s;
    }
    if (plain == nullptr) return false;
    consume(node);
    place_value(node.outputs[0], Format::plain, plain->buffer);
    return true;
  }

  void consume(const ir::Node& node) {
    for (ValueId v : node.inputs) {
      if (v != kNone) --remaining_[v];
    }
  }

  bool dies(uint32_t buffer) const {
    const Buffer& b = buffers_[buffer];
    return b.place.kind == Place::Kind::none &&
           std::all_of(b.values.begin(), b.values.end(), [&](ValueId v) { return remaining_[v] == 0; });
  }

  Status add_node(NodeId id) {
    const ir::Node& node = graph_.node(id);
    if (node.op->has(ir::OpInfo::kView)) {
      const ValueId in = node.inputs[0];
      if (node.outputs.size() == 1 && node.outputs[0] != kNone) TRY(in_format(in, Format::plain));
      if (try_view(node)) return {};
    }
    std::vector<TensorDesc> inputs, outputs;
    for (ValueId v : node.inputs) inputs.push_back(describe(v, v == kNone ? Format::plain : stand_of(v).format));
    for (ValueId v : node.outputs) outputs.push_back(describe(v, Format::plain));
    const tactic::Query query{node, inputs, outputs, options_.machine, options_.tactics};
    Choice record{0, node.name, std::string(node.op->name), {}, {}};
    Chosen chosen = choose(query, options_, options_.record ? &record : nullptr);
    if (options_.record) plan_.choices.push_back(record);
    if (chosen.tactic == nullptr) {
      return fail(ErrorCode::unsupported, "no tactic runs {} on these types", node.op->name)
          .with(fmt::format("in node '{}'", node.name));
    }
    Use use;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const ValueId v = node.inputs[i];
      use.inputs.push_back(v == kNone ? kNone : TRY(in_format(v, chosen.verdict.input(i))));
    }
    for (size_t i = 0; i < inputs.size(); ++i) inputs[i].format = chosen.verdict.input(i);
    for (size_t i = 0; i < outputs.size(); ++i) outputs[i].format = chosen.verdict.output(i);
    consume(node);
    if (chosen.verdict.is_view) {
      place_value(node.outputs[0], chosen.verdict.output(0), use.inputs[0]);
      return {};
    }
    Step step;
    step.op = group_kind(node);
    step.signature = std::move(record.signature);
    TRY(build_step(step, query, chosen));
    describe_work(query, step);
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      const ValueId v = node.outputs[i];
      step.output_values.push_back(v);
      step.output_formats.push_back(chosen.verdict.output(i));
      if (v == kNone) {
        use.outputs.push_back(kNone);
        continue;
      }
      const int over = i == 0 ? chosen.verdict.in_place : -1;
      const uint32_t target = over >= 0 ? use.inputs[static_cast<size_t>(over)] : kNone;
      const size_t bytes = tactic::buffer_bytes(outputs[i].type, outputs[i].dims, outputs[i].format);
      const bool reuse = target != kNone && !options_.keep_values && dies(target) && buffers_[target].bytes == bytes;
      const uint32_t buffer = reuse ? target : new_buffer(v, chosen.verdict.output(i));
      place_value(v, chosen.verdict.output(i), buffer);
      use.outputs.push_back(buffer);
    }
    for (uint32_t b : use.inputs) {
      if (b != kNone) touch(b);
    }
    for (uint32_t b : use.outputs) {
      if (b != kNone) touch(b);
    }
    step.inputs.resize(use.inputs.size());
    step.outputs.resize(use.outputs.size());
    for (size_t i = 0; i < packed_.size(); ++i) {
      if (packed_[i]) use.inputs[i] = kNone;
    }
    use_.push_back(std::move(use));
    plan_.steps.push_back(std::move(step));
    return {};
  }

  static std::string group_kind(const ir::Node& node) {
    const ops::GroupAttrs* group = ops::group_of(node);
    return group != nullptr ? group->kind : std::string(node.op->name);
  }

  Status add_outputs(std::span<const ValueId> wanted) {
    for (size_t k = 0; k < wanted.size(); ++k) {
      const ValueId v = wanted[k];
      uint32_t buffer = TRY(in_format(v, Format::plain));
      const bool taken = buffers_[buffer].place.kind != Place::Kind::none;
      if (taken) {  // an input, a constant, or the storage of another output
        const uint32_t copy = new_buffer(v, Format::plain);
        TRY(add_reorder(v, Format::plain, buffer, Format::plain, copy));
        buffer = copy;
      }
      buffers_[buffer].place = {Place::Kind::output, 0, static_cast<uint32_t>(k), nullptr};
      plan_.outputs.push_back({v, graph_.value(v).fact.type, graph_.value(v).fact.dims()});
    }
    return {};
  }

  Status lay_out() {
    std::vector<Lifetime> lifetimes;
    std::vector<uint32_t> ids;
    const auto end = static_cast<uint32_t>(plan_.steps.empty() ? 0 : plan_.steps.size() - 1);
    for (uint32_t b = 0; b < buffers_.size(); ++b) {
      if (buffers_[b].place.kind != Place::Kind::none) continue;
      lifetimes.push_back(
          {buffers_[b].bytes, std::min(buffers_[b].first, end), options_.keep_values ? end : std::min(buffers_[b].last, end)});
      ids.push_back(b);
    }
    const Arena arena = assign_offsets(lifetimes);
    for (size_t i = 0; i < ids.size(); ++i) buffers_[ids[i]].place = {Place::Kind::arena, arena.offsets[i], 0, nullptr};
    plan_.memory.arena_bytes = arena.bytes + plan_.memory.scratch_bytes;
    plan_.memory.live_peak_bytes = arena.live_peak + plan_.memory.scratch_bytes;
    for (size_t s = 0; s < plan_.steps.size(); ++s) {
      Step& step = plan_.steps[s];
      for (size_t i = 0; i < use_[s].inputs.size(); ++i) {
        if (use_[s].inputs[i] == kNone) continue;
        const Buffer& buffer = buffers_[use_[s].inputs[i]];
        if (buffer.place.kind == Place::Kind::constant && options_.store != nullptr) {
          TRY(options_.store->provide(graph_.value(buffer.values.front()).constant));
        }
        step.inputs[i] = buffer.place;
      }
      for (size_t i = 0; i < use_[s].outputs.size(); ++i) {
        if (use_[s].outputs[i] != kNone) step.outputs[i] = buffers_[use_[s].outputs[i]].place;
      }
    }
    return {};
  }

  struct Use {
    std::vector<uint32_t> inputs, outputs;  ///< buffers, kNone: absent
  };

  Plan& plan_;
  ir::Graph& graph_;
  const PlanOptions& options_;
  PlanOptions reorder_options_;  ///< reorders are the same under references_only and forced tactics
  std::vector<Buffer> buffers_;
  std::vector<std::vector<Stand>> stands_;
  std::vector<uint32_t> remaining_;
  std::vector<Use> use_;
  std::vector<bool> packed_;
};

/// Packs through the store when the constant is the model's own, else privately for this plan.
class Planner::Context final : public tactic::BuildContext {
 public:
  Context(Planner& planner, const tactic::Query& query) : planner_(planner), query_(query) {
    planner_.packed_.assign(query.inputs.size(), false);
  }
  Result<tactic::Packed> pack(size_t i, const tactic::Packing& packing) override {
    const Tensor* constant = query_.inputs[i].constant;
    if (constant == nullptr) return fail(ErrorCode::internal, "input {} is not a constant and cannot be packed", i);
    tactic::Packed packed;
    if (planner_.options_.store != nullptr) packed = TRY(planner_.options_.store->packed(*constant, packing));
    if (packed == nullptr) {
      std::shared_ptr<void> bytes = allocate(packing.bytes);
      packing.pack(*constant, static_cast<std::byte*>(bytes.get()));
      packed = std::static_pointer_cast<const std::byte>(std::shared_ptr<const void>(bytes));
      planner_.plan_.owned_bytes += packing.bytes;
    }
    planner_.packed_[i] = true;
    planner_.plan_.owned.push_back(packed);
    return packed;
  }
  void book_scratch(size_t bytes) override {
    size_t& most = planner_.plan_.memory.scratch_bytes;
    most = std::max(most, (bytes + kAlignment - 1) / kAlignment * kAlignment);
  }

 private:
  Planner& planner_;
  const tactic::Query& query_;
};

Status Planner::build_step(Step& step, const tactic::Query& query, const Chosen& chosen) {
  Context context(*this, query);
  Result<std::unique_ptr<tactic::Kernel>> built = chosen.tactic->build(query, chosen.verdict, context);
  if (!built) {
    return std::move(built).error().with(
        fmt::format("while building tactic {} for node '{}' ({})", chosen.tactic->name, query.node.name, query.node.op->name));
  }
  step.name = query.node.name;
  step.tactic = chosen.tactic->name;
  step.kernel = std::move(built).value();
  step.recipe = chosen.verdict.reason;
  const std::string more = step.kernel->describe();
  if (!more.empty()) step.recipe += (step.recipe.empty() ? "" : "; ") + more;
  step.cost_us = chosen.verdict.cost_us;
  return {};
}

/// A group that no tactic takes becomes its plain nodes again. Returns whether anything changed.
Result<bool> split_refused_groups(ir::Graph& graph, std::span<const NodeId> order, const PlanOptions& options) {
  bool changed = false;
  for (NodeId id : order) {
    const ir::Node& node = graph.node(id);
    const ops::GroupAttrs* group = ops::group_of(node);
    if (group == nullptr) continue;
    std::vector<TensorDesc> inputs, outputs;
    const auto describe = [&](ValueId v) {
      if (v == kNone) return TensorDesc{};
      const ir::ValueInfo& info = graph.value(v);
      return TensorDesc{info.fact.type, info.fact.dims(), Format::plain, info.is_constant() ? &info.constant : nullptr,
                        info.name};
    };
    for (ValueId v : node.inputs) inputs.push_back(describe(v));
    for (ValueId v : node.outputs) outputs.push_back(describe(v));
    if (options.references_only || has_tactic({node, inputs, outputs, options.machine, options.tactics}, options)) continue;
    const ir::GraphRef body = group->body;
    inline_body(graph, id, *body, 0);
    changed = true;
  }
  return changed;
}

std::vector<InputDesc> descriptions(const ir::Graph& graph) {
  std::vector<InputDesc> out;
  for (ValueId v : graph.inputs()) out.push_back({graph.value(v).fact, graph.value(v).constant});
  return out;
}

}  // namespace

size_t Plan::bytes() const {
  constexpr size_t kNode = 600, kValue = 400, kKernel = 2000;  // with their names, attributes, extents
  size_t total = sizeof(Plan) + owned_bytes + graph.live_nodes() * kNode + graph.value_count() * kValue;
  for (const Step& step : steps) {
    total += sizeof(Step) + kKernel + (step.inputs.size() + step.outputs.size()) * sizeof(Place);
  }
  return rest == nullptr ? total : total + rest->live_nodes() * kNode + rest->value_count() * kValue;
}

Result<std::unique_ptr<Plan>> make(const ir::Graph& graph, std::span<const InputDesc> inputs, const PlanOptions& options) {
  Specialised special = TRY(specialise(graph, inputs, options.store));
  while (TRY(split_refused_groups(special.graph, special.order, options))) {
    special = TRY(specialise(special.graph, descriptions(special.graph), options.store));
  }
  auto plan = std::make_unique<Plan>();
  plan->graph = std::move(special.graph);
  plan->host = std::move(special.host);

  std::vector<ValueId> rest_outputs;  // graph outputs made by the rest
  std::vector<bool> in_rest(plan->graph.node_slots(), false), in_steps(plan->graph.node_slots(), false);
  for (NodeId id : special.rest) in_rest[id] = true;
  for (NodeId id : special.order) in_steps[id] = true;
  const auto made_by = [&](ValueId v, const std::vector<bool>& set) {
    const NodeId producer = plan->graph.value(v).producer;
    return producer != kNone && set[producer];
  };
  for (ValueId v : plan->graph.outputs()) {
    if (made_by(v, in_rest) && std::find(rest_outputs.begin(), rest_outputs.end(), v) == rest_outputs.end())
      rest_outputs.push_back(v);
  }
  if (!special.rest.empty()) {
    plan->rest = std::make_shared<const ir::Graph>(extract(plan->graph, special.rest, plan->rest_inputs, rest_outputs));
  }
  std::vector<ValueId> wanted;
  const auto want = [&](ValueId v) {
    if (v != kNone && made_by(v, in_steps) && std::find(wanted.begin(), wanted.end(), v) == wanted.end()) wanted.push_back(v);
  };
  for (ValueId v : plan->graph.outputs()) want(v);
  for (NodeId id : plan->host) {
    for (ValueId v : plan->graph.node(id).inputs) want(v);
  }
  for (ValueId v : plan->rest_inputs) want(v);

  Planner planner(*plan, options);
  TRY(planner.run(special.order, wanted));

  const auto provide = [&](ValueId v) -> Status {
    if (v == kNone || options.store == nullptr || !plan->graph.value(v).is_constant()) return {};
    return options.store->provide(plan->graph.value(v).constant);
  };
  for (NodeId id : plan->host) {
    for (ValueId v : plan->graph.node(id).inputs) TRY(provide(v));
  }
  const std::vector<ValueId>& graph_inputs = plan->graph.inputs();
  for (ValueId v : plan->graph.outputs()) {
    ResultSource source{ResultSource::Kind::value, 0, v};
    const auto input = std::find(graph_inputs.begin(), graph_inputs.end(), v);
    const auto output = std::find(wanted.begin(), wanted.end(), v);
    if (output != wanted.end()) {
      source = {ResultSource::Kind::output, static_cast<uint32_t>(output - wanted.begin()), v};
    } else if (input != graph_inputs.end()) {
      source = {ResultSource::Kind::input, static_cast<uint32_t>(input - graph_inputs.begin()), v};
    } else if (plan->graph.value(v).is_constant()) {
      source = {ResultSource::Kind::constant, 0, v};
      TRY(provide(v));
    }
    plan->results.push_back(source);
  }
  return plan;
}

}  // namespace slipway::plan
