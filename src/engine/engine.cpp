#include "engine/engine.hpp"

#include <algorithm>
#include <cstring>

#include "base/format.hpp"
#include "base/log.hpp"
#include "engine/engine_file.hpp"
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
    return fail(ErrorCode::invalid_argument, "this CPU cannot run {}; the most it can is {}", name(options.isa),
                name(detected_isa()));
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
  const File file = TRY(File::open(path.string()));
  FilePart head;
  head.length = std::min<uint64_t>(file.size(), kSectionBytes);
  if (is_engine_file(TRY(read_file(file, head)).bytes())) {
    Result<std::shared_ptr<Engine>> engine = from_engine_bytes(TRY(read_file(file)), options);
    if (!engine) return std::move(engine).error().with(fmt::format("in '{}'", path.string()));
    return engine;
  }
  return from_graph(TRY(import::read(path)), options);
}

Result<std::shared_ptr<Engine>> Engine::from_engine_bytes(const FileBytes& file, const Options& options) {
  FileInfo info;
  ir::Graph graph = TRY(read_engine_file(file, options.verify_weights, &info));
  if (info.isa != options.isa) {
    log(LogLevel::info, "the engine was built for {}, weights are packed anew for {}", name(info.isa), name(options.isa));
  }
  Options as_built = options;
  as_built.passes = false;
  return from_graph(std::move(graph), as_built);
}

Status Engine::save(const std::filesystem::path& path) const {
  FileInfo info;
  info.slipway_version = SLIPWAY_VERSION;
  info.isa = options_.isa;
  info.deterministic = options_.deterministic;
  return write_engine_file(path, *graph_, info);
}

Result<std::shared_ptr<Engine>> Engine::load(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                                             const Options& options) {
  if (is_engine_file(bytes)) {
    if (owner == nullptr || reinterpret_cast<uintptr_t>(bytes.data()) % kAlignment != 0) {
      std::shared_ptr<void> copy = allocate(bytes.size(), false);
      std::memcpy(copy.get(), bytes.data(), bytes.size());
      bytes = {static_cast<const std::byte*>(copy.get()), bytes.size()};
      owner = std::move(copy);
    }
    return from_engine_bytes(FileBytes(owner, bytes.data(), bytes.size(), false), options);
  }
  return from_graph(TRY(import::read(import::ModelBytes{bytes, std::move(owner), {}})), options);
}

std::unique_ptr<runtime::Session> Engine::session(int threads) const {
  return std::make_unique<runtime::Session>(graph_, plans_, threads > 0 ? threads : options_.threads);
}

std::string fact_text(const Engine& engine, const ir::Fact& fact) {
  return to_string(fact, &engine.graph().symbols);
}

}  // namespace slipway::engine
