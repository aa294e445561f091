#include "runtime/session.hpp"

#include <cstring>

#include "base/format.hpp"
#include "ops/evaluate.hpp"

namespace slipway::runtime {
namespace {

/// Bound plans kept by one Session before it forgets them all.
constexpr size_t kMaxBoundPlans = 64;

using plan::Place;

Error fault_error(const plan::Step& step, tactic::Fault fault, const std::string& text) {
  return fail(ErrorCode::data_fault, "node '{}' ({}): {}", step.name, step.op, text.empty() ? std::string(name(fault)) : text);
}

/// ir::compatible() of the declared fact of a tensor, without a fact of the given one.
bool fits(const ir::Fact& declared, const Tensor& t) {
  if (declared.type != ElementType::undefined && declared.type != t.type()) return false;
  if (!declared.shape) return true;
  if (declared.shape->size() != static_cast<size_t>(t.dims().rank())) return false;
  for (size_t i = 0; i < declared.shape->size(); ++i) {
    const ir::Dim d = (*declared.shape)[i];
    if (d.known() && d.value() != t.dims()[static_cast<int>(i)]) return false;
  }
  return true;
}

/// Small enough for its value to be part of a signature.
bool has_signature(const ir::Value& value) {
  const Tensor* t = value.tensor();
  return t != nullptr && t->type() != ElementType::string && t->count() <= plan::kMaxSignatureElements;
}

/// A step's value as a plain tensor of its own.
Tensor plain_copy(const ir::Graph& graph, ir::ValueId value, tactic::Format format, const void* data) {
  const Dims dims = graph.value(value).fact.dims();
  const ElementType type = graph.value(value).fact.type;
  Tensor out(type, dims);
  const auto width = static_cast<size_t>(std::max(1, bits(type) / 8));
  const int64_t pixels = dims.rank() < 2 ? 1 : dims.count(2, dims.rank());
  const int64_t channels = dims.rank() < 2 ? 1 : dims[1];
  if (format == tactic::Format::plain || dims.rank() < 2) {
    if (out.bytes() != 0) std::memcpy(out.data(), data, out.bytes());
    return out;
  }
  const int64_t padded = (channels + 15) / 16 * 16;
  for (int64_t n = 0; n < dims[0]; ++n) {
    for (int64_t c = 0; c < channels; ++c) {
      for (int64_t p = 0; p < pixels; ++p) {
        const int64_t from = format == tactic::Format::channels_last ? (n * pixels + p) * channels + c
                                                                     : n * padded * pixels + (c / 16 * pixels + p) * 16 + c % 16;
        std::memcpy(out.as<std::byte>() + static_cast<size_t>((n * channels + c) * pixels + p) * width,
                    static_cast<const std::byte*>(data) + static_cast<size_t>(from) * width, width);
      }
    }
  }
  return out;
}

}  // namespace

std::vector<plan::InputDesc> describe(const ir::Graph& graph, std::span<const ir::Value> inputs,
                                      const std::vector<bool>& by_value) {
  std::vector<plan::InputDesc> out;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Tensor* t = inputs[i].tensor();
    plan::InputDesc desc{graph.value(graph.inputs()[i]).fact, {}};
    if (t != nullptr) desc.fact = ir::Fact::tensor(t->type(), t->dims());
    if (by_value[i] && has_signature(inputs[i])) desc.value = t->clone();
    out.push_back(std::move(desc));
  }
  return out;
}

/// A Plan with its pointers resolved against this Session's arena.
struct Session::Bound {
  Signature signature;
  std::shared_ptr<const plan::Plan> plan;
  std::vector<void*> pointers;  ///< inputs then outputs of every step, in order
  struct External {
    size_t slot;
    Place place;
  };
  std::vector<External> externals;  ///< pointers that change from run to run
  uint64_t generation = 0;
  std::vector<Tensor> results;  ///< storage of the static outputs of the present run

  void resolve(std::byte* arena) {
    pointers.clear();
    externals.clear();
    const auto add = [&](const Place& place) {
      switch (place.kind) {
        case Place::Kind::none:
          pointers.push_back(nullptr);
          break;
        case Place::Kind::arena:
          pointers.push_back(arena + place.offset);
          break;
        case Place::Kind::constant:
          pointers.push_back(const_cast<void*>(place.data));
          break;
        default:
          externals.push_back({pointers.size(), place});
          pointers.push_back(nullptr);
      }
    };
    for (const plan::Step& step : plan->steps) {
      for (const Place& place : step.inputs) add(place);
      for (const Place& place : step.outputs) add(place);
    }
  }
};

Session::Session(std::shared_ptr<const ir::Graph> graph, std::shared_ptr<PlanCache> plans, int threads)
    : graph_(std::move(graph)), plans_(std::move(plans)), team_(threads) {}
Session::~Session() = default;

void Session::reserve(size_t bytes) {
  if (bytes <= arena_bytes_ && arena_ != nullptr) return;
  arena_.reset();
  arena_ = allocate(bytes, false);
  arena_bytes_ = bytes;
  ++arena_generation_;
}

Status Session::check(std::span<const ir::Value> inputs) const {
  if (inputs.size() != graph_->inputs().size()) {
    return fail(ErrorCode::invalid_argument, "the model takes {} inputs, {} were given", graph_->inputs().size(), inputs.size());
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    const ir::ValueInfo& declared = graph_->value(graph_->inputs()[i]);
    const Tensor* t = inputs[i].tensor();
    if (declared.fact.kind != ir::Fact::Kind::tensor || declared.fact.optional) continue;
    if (t == nullptr) return fail(ErrorCode::invalid_argument, "input '{}' must be a tensor", declared.name);
    if (fits(declared.fact, *t)) continue;
    return fail(ErrorCode::invalid_argument, "input '{}' expects {}, given was {}", declared.name,
                to_string(declared.fact, &graph_->symbols), to_string(ir::Fact::tensor(t->type(), t->dims())));
  }
  return {};
}

Status Session::run(std::span<const ir::Value> inputs, std::vector<ir::Value>& outputs, const RunOptions& options) {
  TRY(check(inputs));
  const Team::Busy busy(team_);
  outputs.resize(graph_->outputs().size());
  return run_graph(*graph_, inputs, outputs, options);
}

Result<Session::Bound*> Session::bind(const ir::Graph& graph, std::span<const ir::Value> inputs) {
  signature_.clear();
  signature_.push_back(static_cast<int64_t>(graph.identity.number()));
  const auto append = [&](const ir::Value& value, bool with_value) {
    const Tensor* t = value.tensor();
    if (t == nullptr) {
      signature_.push_back(-1 - static_cast<int64_t>(value.held.index()));
      return;
    }
    signature_.push_back(static_cast<int64_t>(t->type()));
    signature_.push_back(t->dims().rank());
    signature_.insert(signature_.end(), t->dims().begin(), t->dims().end());
    if (!with_value) return;
    const auto* bytes = t->as<uint8_t>();
    for (size_t i = 0, n = t->bytes(); i < n; i += 8) {
      int64_t word = 0;
      std::memcpy(&word, bytes + i, std::min<size_t>(8, n - i));
      signature_.push_back(word);
    }
  };
  const std::vector<bool>& by_value = plans_->shape_inputs(graph);
  for (size_t i = 0; i < inputs.size(); ++i) append(inputs[i], by_value[i] && has_signature(inputs[i]));

  if (latest_ == nullptr || latest_->signature != signature_) {
    auto at = bound_.find(signature_);
    if (at == bound_.end()) {
      auto fresh = std::make_unique<Bound>();
      fresh->signature = signature_;
      fresh->plan = TRY(plans_->get(signature_, graph, describe(graph, inputs, by_value)));
      fresh->results.resize(fresh->plan->outputs.size());
      if (bound_.size() >= kMaxBoundPlans) bound_.clear();
      at = bound_.emplace(signature_, std::move(fresh)).first;
    }
    latest_ = at->second.get();
  }
  reserve(latest_->plan->memory.arena_bytes);
  if (latest_->generation != arena_generation_) {
    latest_->resolve(static_cast<std::byte*>(arena_.get()));
    latest_->generation = arena_generation_;
  }
  return latest_;
}

Status Session::run_steps(Bound& bound, std::span<const ir::Value> inputs, std::span<Tensor> results, const RunOptions& options) {
  using Clock = std::chrono::steady_clock;
  for (const Bound::External& e : bound.externals) {
    void*& pointer = bound.pointers[e.slot];
    if (e.place.kind == Place::Kind::input) {
      pointer = const_cast<void*>(inputs[e.place.index].tensor()->data());
    } else {
      pointer = results[e.place.index].data();
    }
  }
  auto* arena = static_cast<std::byte*>(arena_.get());
  std::byte* scratch = arena + (bound.plan->memory.arena_bytes - bound.plan->memory.scratch_bytes);
  void* const* at = bound.pointers.data();
  for (const plan::Step& step : bound.plan->steps) {
    if (options.cancel != nullptr && options.cancel->load(std::memory_order_relaxed)) {
      return Error(ErrorCode::cancelled, "the run was cancelled by its caller");
    }
    if (options.deadline && Clock::now() >= *options.deadline) return Error(ErrorCode::deadline, "the run passed its deadline");
    void* const* outputs = at + step.inputs.size();
    const tactic::Exec exec{at, outputs, scratch, team_, &fault_text_};
    const Clock::time_point start = options.profile != nullptr ? Clock::now() : Clock::time_point();
    fault_text_.clear();
    const tactic::Fault fault = step.kernel->run(exec);
    if (fault != tactic::Fault::none) return fault_error(step, fault, fault_text_);
    if (options.profile != nullptr) {
      options.profile->push_back({&step, std::chrono::duration<double, std::micro>(Clock::now() - start).count()});
    }
    if (options.tap) {
      for (size_t i = 0; i < step.output_values.size(); ++i) {
        const ir::ValueId v = step.output_values[i];
        if (v != ir::kNone)
          options.tap(bound.plan->graph.value(v).name, plain_copy(bound.plan->graph, v, step.output_formats[i], outputs[i]));
      }
    }
    at = outputs + step.outputs.size();
  }
  return {};
}

Status Session::run_host(const plan::Plan& plan, std::unordered_map<ir::ValueId, ir::Value>& values, const RunOptions& options) {
  const ops::GraphRunner runner = [&](const ir::Graph& graph,
                                      std::span<const ir::Value> inputs) -> Result<std::vector<ir::Value>> {
    std::vector<ir::Value> outputs(graph.outputs().size());
    TRY(run_graph(graph, inputs, outputs, options));
    return outputs;
  };
  const auto value_of = [&](ir::ValueId v) -> const ir::Value* {
    if (v == ir::kNone) return nullptr;
    const auto at = values.find(v);
    if (at != values.end()) return &at->second;
    return &values.emplace(v, ir::Value(plan.graph.value(v).constant)).first->second;
  };
  for (ir::NodeId id : plan.host) {
    const ir::Node& node = plan.graph.node(id);
    std::vector<const ir::Value*> arguments;
    for (ir::ValueId v : node.inputs) arguments.push_back(value_of(v));
    std::vector<ir::Value> made = TRY(ops::evaluate_node(plan.graph, node, arguments, runner));
    for (size_t i = 0; i < made.size(); ++i) {
      if (node.outputs[i] == ir::kNone) continue;
      if (options.tap && made[i].tensor() != nullptr) options.tap(plan.graph.value(node.outputs[i]).name, *made[i].tensor());
      values[node.outputs[i]] = std::move(made[i]);
    }
  }
  return {};
}

Status Session::run_graph(const ir::Graph& graph, std::span<const ir::Value> inputs, std::vector<ir::Value>& outputs,
                          const RunOptions& options) {
  Bound& bound = *TRY(bind(graph, inputs));
  const std::shared_ptr<const plan::Plan> plan = bound.plan;
  if (options.plans != nullptr) options.plans->push_back(plan);

  std::vector<Tensor>& results = bound.results;
  for (size_t k = 0; k < results.size(); ++k) results[k] = Tensor();
  for (size_t r = 0; r < plan->results.size(); ++r) {
    if (plan->results[r].kind != plan::ResultSource::Kind::output) continue;
    Tensor& storage = results[plan->results[r].index];
    const plan::Port& port = plan->outputs[plan->results[r].index];
    const Tensor* given = outputs[r].tensor();
    if (!storage && given != nullptr && given->type() == port.type && given->dims() == port.dims) storage = *given;
  }
  for (size_t k = 0; k < results.size(); ++k) {
    if (!results[k]) results[k] = Tensor(plan->outputs[k].type, plan->outputs[k].dims);
  }
  TRY(run_steps(bound, inputs, results, options));

  const auto finish = [&](std::span<const Tensor> made, const std::unordered_map<ir::ValueId, ir::Value>& values) {
    for (size_t r = 0; r < plan->results.size(); ++r) {
      const plan::ResultSource& source = plan->results[r];
      switch (source.kind) {
        case plan::ResultSource::Kind::input:
          outputs[r] = inputs[source.index];
          break;
        case plan::ResultSource::Kind::constant:
          outputs[r] = ir::Value(plan->graph.value(source.value).constant);
          break;
        case plan::ResultSource::Kind::output: {
          Tensor* given = outputs[r].tensor();
          if (given == nullptr || given->data() != made[source.index].data()) outputs[r] = ir::Value(made[source.index]);
          break;
        }
        case plan::ResultSource::Kind::value:
          outputs[r] = values.at(source.value);
          break;
      }
    }
  };
  if (plan->host.empty() && plan->rest == nullptr) {
    finish(results, {});
    for (Tensor& t : results) t = Tensor();
    return {};
  }

  std::unordered_map<ir::ValueId, ir::Value> values;
  for (size_t i = 0; i < inputs.size(); ++i) values[plan->graph.inputs()[i]] = inputs[i];
  for (size_t k = 0; k < results.size(); ++k) values[plan->outputs[k].value] = ir::Value(results[k]);
  const std::vector<Tensor> kept = results;  // a nested run may forget `bound`
  for (Tensor& t : results) t = Tensor();
  TRY(run_host(*plan, values, options));
  if (plan->rest != nullptr) {
    std::vector<ir::Value> rest_inputs, rest_outputs(plan->rest->outputs().size());
    for (ir::ValueId v : plan->rest_inputs) rest_inputs.push_back(values.at(v));
    TRY(run_graph(*plan->rest, rest_inputs, rest_outputs, options));
    size_t next = 0;
    for (const plan::ResultSource& source : plan->results) {
      if (source.kind == plan::ResultSource::Kind::value && !values.count(source.value) && next < rest_outputs.size()) {
        values[source.value] = std::move(rest_outputs[next++]);
      }
    }
  }
  finish(kept, values);
  return {};
}

}  // namespace slipway::runtime
