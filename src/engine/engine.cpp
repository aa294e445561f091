#include "engine/engine.hpp"

#include "base/format.hpp"
#include "engine/packed_store.hpp"
#include "import/import.hpp"
#include "kernels/registry.hpp"
#include "passes/pipeline.hpp"

namespace slipway::engine {

Engine::Engine() = default;
Engine::~Engine() = default;

Result<std::shared_ptr<Engine>> Engine::from_graph(ir::Graph graph, const Options& options) {
  std::shared_ptr<Engine> engine(new Engine());
  engine->options_ = options;
  if (engine->options_.threads <= 0) engine->options_.threads = available_cpus();
  if (options.isa > detected_isa()) {
    return fail(ErrorCode::invalid_argument, "this CPU cannot run {}; the most it can is {}", name(options.isa), name(detected_isa()));
  }
  if (options.passes) {
    passes::Options pass_options;
    pass_options.skip = options.skipped_passes;
    pass_options.stop_after = options.stop_after;
    engine->passes_ = TRY(passes::run(graph, pass_options));
  } else {
    TRY(ir::infer_all(graph));
  }
  for (ir::ValueId v : graph.inputs()) engine->inputs_.push_back({graph.value(v).name, graph.value(v).fact});
  for (size_t i = 0; i < graph.outputs().size(); ++i) {
    engine->outputs_.push_back({graph.output_names()[i], graph.value(graph.outputs()[i]).fact});
  }
  engine->graph_ = std::make_shared<const ir::Graph>(std::move(graph));
  engine->store_ = std::make_unique<ModelPackedStore>(*engine->graph_);

  plan::PlanOptions plan_options;
  plan_options.machine = {options.isa, engine->options_.threads, cpu_info()};
  plan_options.tactics.deterministic = options.deterministic;
  plan_options.tactic_list = &kernels::all();
  plan_options.store = engine->store_.get();
  plan_options.references_only = options.references_only;
  plan_options.keep_values = options.keep_values;
  plan_options.explain = options.explain;
  plan_options.forced_tactic = options.forced_tactic;
  engine->plans_ = std::make_shared<runtime::PlanCache>(std::move(plan_options));
  return engine;
}

Result<std::shared_ptr<Engine>> Engine::load(const std::filesystem::path& path, const Options& options) {
  return from_graph(TRY(import::read(path)), options);
}

Result<std::shared_ptr<Engine>> Engine::load(std::span<const std::byte> bytes, std::shared_ptr<const void> owner, const Options& options) {
  return from_graph(TRY(import::read(import::ModelBytes{bytes, std::move(owner), {}})), options);
}

std::unique_ptr<runtime::Session> Engine::session(int threads) const {
  return std::make_unique<runtime::Session>(graph_, plans_, threads > 0 ? threads : options_.threads);
}

std::string fact_text(const Engine& engine, const ir::Fact& fact) { return to_string(fact, &engine.graph().symbols); }

}  // namespace slipway::engine
