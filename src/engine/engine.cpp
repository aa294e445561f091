#include "engine/engine.hpp"

#include <algorithm>
#include <cstring>

#include "base/format.hpp"
#include "base/log.hpp"
#include "engine/engine_file.hpp"
#include "engine/packed_store.hpp"
#include "import/import.hpp"
#include "ir/patch.hpp"
#include "kernels/registry.hpp"
#include "passes/pipeline.hpp"

namespace slipway::engine {

Engine::Engine() = default;
Engine::~Engine() = default;

Result<std::shared_ptr<Engine>> Engine::from_graph(ir::Graph graph, const Options& options) {
  passes::Report report;
  if (options.passes) {
    passes::Options pass_options;
    pass_options.skip = options.skipped_passes;
    pass_options.stop_after = options.stop_after;
    pass_options.bf16 = options.precision == Precision::bf16;
    report = TRY(passes::run(graph, pass_options));
  } else {
    TRY(ir::infer_all(graph));
  }
  ir::compact(graph);  // weights that passes have replaced go
  FileContents contents;
  contents.graph = std::move(graph);
  std::shared_ptr<Engine> engine = TRY(assemble(std::move(contents), options));
  engine->passes_ = std::move(report);
  return engine;
}

Result<std::shared_ptr<Engine>> Engine::assemble(FileContents contents, const Options& options) {
  std::shared_ptr<Engine> engine(new Engine());
  engine->options_ = options;
  if (engine->options_.threads <= 0) engine->options_.threads = available_cpus();
  if (options.isa > detected_isa()) {
    return fail(ErrorCode::invalid_argument, "this CPU cannot run {}; the most it can is {}", name(options.isa),
                name(detected_isa()));
  }
  ir::Graph& graph = contents.graph;
  for (ir::ValueId v : graph.inputs()) engine->inputs_.push_back({graph.value(v).name, graph.value(v).fact});
  for (size_t i = 0; i < graph.outputs().size(); ++i) {
    engine->outputs_.push_back({graph.output_names()[i], graph.value(graph.outputs()[i]).fact});
  }
  engine->graph_ = std::make_shared<const ir::Graph>(std::move(graph));
  engine->store_ = std::make_unique<ModelPackedStore>(*engine->graph_, std::move(contents.constants));
  engine->choices_ = std::move(contents.choices);

  plan::PlanOptions plan_options;
  plan_options.machine = {options.isa, engine->options_.threads, cpu_info()};
  plan_options.tactics.deterministic = options.deterministic;
  plan_options.tactic_list = &kernels::all();
  plan_options.store = engine->store_.get();
  plan_options.made = &engine->choices_;
  plan_options.references_only = options.references_only;
  plan_options.keep_values = options.keep_values;
  plan_options.record = options.explain;
  plan_options.forced_tactic = options.forced_tactic;
  engine->plans_ = std::make_shared<runtime::PlanCache>(std::move(plan_options));
  return engine;
}

Result<std::shared_ptr<Engine>> Engine::load(const std::filesystem::path& path, const Options& options) {
  const auto file = std::make_shared<const File>(TRY(File::open(path.string())));
  FilePart head;
  head.length = std::min<uint64_t>(file->size(), kConstantBytes);
  if (is_engine_file(TRY(read_file(*file, head)).bytes())) {
    Result<std::shared_ptr<Engine>> engine = from_engine_bytes(TRY(read_file(*file)), file, options);
    if (!engine) return std::move(engine).error().with(fmt::format("in '{}'", path.string()));
    return engine;
  }
  return from_graph(TRY(import::read(path)), options);
}

Result<std::shared_ptr<Engine>> Engine::from_engine_bytes(const FileBytes& bytes, const std::shared_ptr<const File>& file,
                                                          const Options& options) {
  FileContents contents = TRY(read_engine_file(bytes, options.verify_weights, options.keep_originals ? nullptr : file));
  if (contents.info.isa != options.isa) {
    log(LogLevel::info, "the engine was built for {}, weights are packed anew for {}", name(contents.info.isa),
        name(options.isa));
  } else if (contents.info.slipway_version != SLIPWAY_VERSION) {
    log(LogLevel::info, "the engine was built by slipway {}, this is {}: weights that it wants otherwise are packed anew",
        contents.info.slipway_version, SLIPWAY_VERSION);
  }
  if (contents.info.isa != options.isa || contents.info.deterministic != options.deterministic) contents.choices.clear();
  TRY(ir::infer_all(contents.graph));
  const FileInfo info = contents.info;
  std::shared_ptr<Engine> engine = TRY(assemble(std::move(contents), options));
  engine->file_ = info;
  return engine;
}

namespace {

/// Extents that a model leaves open are tried in this order; batches (the first extent) are taken as 1.
constexpr int64_t kGuessedExtents[] = {320, 128, 64, 32, 16, 1};

std::vector<plan::InputDesc> guess_inputs(const ir::Graph& graph, int64_t extent) {
  std::vector<plan::InputDesc> out;
  for (const ir::ValueId v : graph.inputs()) {
    plan::InputDesc desc{graph.value(v).fact, {}};
    if (desc.fact.is_tensor() && desc.fact.shape) {
      for (size_t i = 0; i < desc.fact.shape->size(); ++i) {
        ir::Dim& dim = (*desc.fact.shape)[i];
        if (!dim.known()) dim = ir::Dim(i == 0 ? 1 : extent);
      }
    }
    out.push_back(std::move(desc));
  }
  return out;
}

}  // namespace

Result<TuneReport> Engine::tune(std::span<const ir::Value> example, const TuneOptions& options, plan::TimingCache& known) {
  if (file_ || options_.references_only || !options_.forced_tactic.empty()) return TuneReport();
  plan::PlanOptions base = plans_->options();
  ModelPackedStore trial_store(*graph_);  // the weights of losers go when tuning ends
  base.store = &trial_store;
  Tuner tuner(graph_, base, options, known.at({SLIPWAY_VERSION, options_.isa, options_.threads}));
  TuneReport report = TRY(tuner.run(example));
  choices_ = std::move(report.choices);
  plans_ = std::make_shared<runtime::PlanCache>(plans_->options());
  return report;
}

Status Engine::save(const std::filesystem::path& path, std::span<const ir::Value> example) const {
  PackingRecorder recorder(*store_);
  plan::PlanOptions options = plans_->options();
  options.store = &recorder;
  options.record = true;
  Result<std::unique_ptr<plan::Plan>> plan = Error(ErrorCode::not_found, "no inputs to plan for");
  if (!example.empty()) plan = plan::make(*graph_, runtime::describe(*graph_, example, plans_->shape_inputs(*graph_)), options);
  for (const int64_t extent : kGuessedExtents) {
    if (plan) break;
    plan = plan::make(*graph_, guess_inputs(*graph_, extent), options);
  }
  if (!plan) log(LogLevel::info, "weights are stored as they are: {}", plan.error().text());
  FileInfo info;
  info.slipway_version = SLIPWAY_VERSION;
  info.isa = options_.isa;
  info.deterministic = options_.deterministic;
  const std::vector<plan::Choice> none;
  return write_engine_file(path, *graph_, {*store_, recorder, plan ? (*plan)->choices : none, info});
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
    return from_engine_bytes(FileBytes(owner, bytes.data(), bytes.size(), false), nullptr, options);
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
