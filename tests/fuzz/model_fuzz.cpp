// Any bytes through the whole road: import, passes (each verified), plan, and, where the plan is small, a run on ones.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "base/low_precision.hpp"
#include "engine/engine.hpp"
#include "import/import.hpp"
#include "kernels/registry.hpp"

namespace slipway {
namespace {

constexpr size_t kMaxNodes = 200;
constexpr int64_t kOpenExtent = 2, kMaxInputElements = 4096;
constexpr int64_t kMaxValueBytes = 1 << 20;
constexpr double kMaxFlops = 1e8;

/// Whatever the model is, this says that we are wrong.
void require_no_defect(const Error& error) {
  if (error.code != ErrorCode::internal) return;
  std::fprintf(stderr, "%s\n", error.text().c_str());
  std::abort();
}

/// A value of ones; nullopt for what cannot be made or is large.
std::optional<Tensor> ones(const ir::Fact& fact) {
  if (!fact.is_tensor() || !fact.shape || fact.type == ElementType::string) return std::nullopt;
  Dims dims;
  for (const ir::Dim d : *fact.shape) dims.push_back(d.known() ? d.value() : kOpenExtent);
  const int64_t count = checked_count(std::span(dims.begin(), dims.end()), kMaxInputElements);
  if (count < 0) return std::nullopt;
  Tensor out(fact.type, dims);
  for (int64_t i = 0; i < count; ++i) store_double(out.data(), fact.type, i, 1);
  return out;
}

bool small(const plan::Plan& plan) {
  if (plan.rest != nullptr || plan.memory.arena_bytes > static_cast<size_t>(16 * kMaxValueBytes)) return false;
  for (const ir::NodeId id : plan.host) {
    if (plan.graph.node(id).op->has(ir::OpInfo::kHasSubgraph)) return false;
  }
  double flops = 0;
  for (const plan::Step& step : plan.steps) flops += step.flops;
  if (flops > kMaxFlops) return false;
  for (ir::ValueId v = 0; v < plan.graph.value_count(); ++v) {
    const ir::Fact& fact = plan.graph.value(v).fact;
    if (!fact.is_tensor()) continue;
    if (!fact.is_static()) return false;
    const Dims dims = fact.dims();
    if (checked_count(std::span(dims.begin(), dims.end()), kMaxValueBytes) < 0) return false;
  }
  return true;
}

void drive(std::span<const std::byte> bytes, const std::shared_ptr<const void>& owner) {
  Result<ir::Graph> graph = import::read({bytes, owner, {}});
  if (!graph) return require_no_defect(graph.error());
  const Status sound = ir::verify(*graph);
  if (!sound) return require_no_defect(Error(ErrorCode::internal, "an imported graph is not sound: " + sound.error().text()));
  if (graph->live_nodes() > kMaxNodes) return;

  engine::Options options;
  options.threads = 1;
  const auto engine = engine::Engine::from_graph(*graph, options);
  if (!engine) return require_no_defect(engine.error());
  std::vector<plan::InputDesc> described;
  std::vector<ir::Value> inputs;
  const ir::Graph& optimised = (*engine)->graph();
  for (const ir::ValueId v : optimised.inputs()) {
    std::optional<Tensor> value = ones(optimised.value(v).fact);
    if (!value) return;
    described.push_back({ir::Fact::tensor(value->type(), value->dims()), *value});
    inputs.emplace_back(*value);
  }
  plan::PlanOptions how;
  how.machine = {options.isa, 1, cpu_info()};
  how.tactic_list = &kernels::all();
  const auto plan = plan::make(optimised, described, how);
  if (!plan) return require_no_defect(plan.error());
  if (!small(**plan)) return;
  std::vector<ir::Value> outputs;
  const Status ran = (*engine)->session()->run(inputs, outputs);
  if (!ran) require_no_defect(ran.error());
}

}  // namespace
}  // namespace slipway

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
  slipway::drive(bytes, std::shared_ptr<const void>(data, [](const void*) {}));
  return 0;
}
