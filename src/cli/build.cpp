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
  std::string output;
};

Status build(const BuildOptions& options) {
  const auto engine = TRY(open_model(options.model, TRY(engine_options(options.model))));
  TRY(engine->save(options.output));
  // Proof that the file opens and plans: the shapes asked for, or the model's own with 1 for open extents.
  const auto again = TRY(engine::Engine::load(options.output, TRY(engine_options(options.model))));
  std::vector<std::string> notes;
  const std::vector<ir::Value> inputs = TRY(make_inputs(*again, options.input, notes));
  std::vector<std::shared_ptr<const plan::Plan>> plans;
  runtime::RunOptions run;
  run.plans = &plans;
  std::vector<ir::Value> outputs;
  TRY(again->session()->run(inputs, outputs, run));
  std::printf("%s: %.2f MiB, %zu nodes, %zu plan steps\n", options.output.c_str(),
              static_cast<double>(std::filesystem::file_size(options.output)) / 1048576, again->graph().live_nodes(), plans.front()->steps.size());
  return {};
}

}  // namespace

void add_build(CLI::App& app, Work& work) {
  auto options = std::make_shared<BuildOptions>();
  CLI::App& command = *app.add_subcommand("build", "Optimise a model and write its engine file");
  add_model_options(command, options->model);
  command.add_option("-o,--output", options->output, "Engine file to write (.slip)")->required();
  command.add_option("--shape", options->input.shapes, "NAME:1x3x224x224: extents to check the engine with (repeatable)")->allow_extra_args(false);
  command.callback([options, &work] { work = [options] { return build(*options); }; });
}

}  // namespace slipway::cli
