// slipway build: a model becomes an engine file.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>

#include "cli/cli.hpp"
#include "cli/inputs.hpp"

namespace slipway::cli {
namespace {

struct BuildOptions {
  ModelOptions model;
  InputOptions input;
  TuneOptions tune;
  std::string output;
};

Status build(const BuildOptions& options) {
  std::vector<ir::Value> inputs;
  {
    const auto engine = TRY(open_model(options.model, TRY(engine_options(options.model))));
    std::vector<std::string> notes;
    if (!options.input.shapes.empty() || options.tune.tune != "off") inputs = TRY(make_inputs(*engine, options.input, notes));
    if (options.input.shapes.empty()) {
      for (const std::string& note : notes) std::fprintf(stderr, "%s\n", note.c_str());
    }
    TRY(tune(*engine, inputs, options.tune));
    const Progress progress("packing " + options.output);
    TRY(engine->save(options.output, inputs));
  }
  const auto again = TRY(engine::Engine::load(options.output, TRY(engine_options(options.model))));
  std::printf("%s: %.2f MiB, %zu nodes\n", options.output.c_str(),
              static_cast<double>(std::filesystem::file_size(options.output)) / 1048576, again->graph().live_nodes());
  if (options.input.shapes.empty()) return {};
  // With shapes to go by, prove that the file plans and runs.
  std::vector<std::shared_ptr<const plan::Plan>> plans;
  runtime::RunOptions run;
  run.plans = &plans;
  std::vector<ir::Value> outputs;
  TRY(again->session()->run(inputs, outputs, run));
  std::printf("checked with %s: %zu plan steps, arena %.2f MiB\n", options.input.shapes[0].c_str(), plans.front()->steps.size(),
              static_cast<double>(plans.front()->memory.arena_bytes) / 1048576);
  return {};
}

}  // namespace

void add_build(CLI::App& app, Work& work) {
  auto options = std::make_shared<BuildOptions>();
  CLI::App& command = *app.add_subcommand("build", "Optimise a model and write its engine file");
  add_model_options(command, options->model);
  command.add_option("-o,--output", options->output, "Engine file to write (.slip)")->required();
  command
      .add_option("--shape", options->input.shapes,
                  "NAME:1x3x224x224: extents to pack, tune and check the engine for (repeatable)")
      ->allow_extra_args(false);
  add_tune_options(command, options->tune);
  command.callback([options, &work] { work = [options] { return build(*options); }; });
}

}  // namespace slipway::cli
