// slipway compare: two ways of running a model, value by value, the first bad one named.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>

#include "base/format.hpp"
#include "cli/cli.hpp"
#include "cli/difference.hpp"
#include "cli/inputs.hpp"

namespace slipway::cli {
namespace {

struct CompareOptions {
  ModelOptions model;
  InputOptions input;
  std::string other;
  std::vector<std::string> taps;
  double rtol = 1e-4, atol = 1e-6;
};

struct Recording {
  std::vector<std::pair<std::string, Tensor>> values;  ///< in the order of making
  std::vector<ir::Value> outputs;
};

Result<Recording> record(const engine::Engine& engine, const std::vector<ir::Value>& inputs, bool taps) {
  Recording out;
  runtime::RunOptions options;
  if (taps) options.tap = [&](const std::string& name, const Tensor& t) { out.values.emplace_back(name, t); };
  TRY(engine.session()->run(inputs, out.outputs, options));
  return out;
}

Status compare(const CompareOptions& options) {
  engine::Options base = TRY(engine_options(options.model));
  base.keep_values = true;
  const auto engine = TRY(open_model(options.model, base));
  engine::Options other_options = base;
  ModelOptions other_model = options.model;
  if (options.other.empty()) {
    other_options.references_only = true;
  } else {
    other_model.model = options.other;
  }
  const auto other = TRY(open_model(other_model, other_options));
  std::vector<std::string> notes;
  const std::vector<ir::Value> inputs = TRY(make_inputs(*engine, options.input, notes));
  for (const std::string& note : notes) std::fprintf(stderr, "%s\n", note.c_str());
  const Recording got = TRY(record(*engine, inputs, true));
  Recording want;
  {
    const Progress progress("running the other side");
    want = TRY(record(*other, inputs, true));
  }
  std::map<std::string, const Tensor*> by_name;
  for (const auto& [name, tensor] : want.values) by_name[name] = &tensor;
  const bool all = options.taps.empty() || options.taps[0] == "all";
  std::string first_bad;
  std::printf("%-12s %s\n", "error/scale", "value");
  for (const auto& [name, tensor] : got.values) {
    const auto at = by_name.find(name);
    if (at == by_name.end()) continue;
    if (!all && std::find(options.taps.begin(), options.taps.end(), name) == options.taps.end()) continue;
    const double error = scaled_error(tensor, *at->second);
    const bool bad = error > options.rtol && !first_difference(tensor, *at->second, {options.rtol, options.atol}).empty();
    std::printf("%-12.3g %s%s\n", error, name.c_str(), bad ? "  <-- beyond tolerance" : "");
    if (bad && first_bad.empty()) first_bad = name;
  }
  for (size_t i = 0; i < got.outputs.size(); ++i) {
    const std::string& name = engine->outputs()[i].name;
    const Tensor *a = got.outputs[i].tensor(), *b = i < want.outputs.size() ? want.outputs[i].tensor() : nullptr;
    const double error = a != nullptr && b != nullptr ? scaled_error(*a, *b) : 0;
    const bool bad =
        i >= want.outputs.size() ||
        (error > options.rtol && !first_difference(got.outputs[i], want.outputs[i], {options.rtol, options.atol}).empty());
    std::printf("%-12.3g output %s%s\n", error, name.c_str(), bad ? "  <-- beyond tolerance" : "");
    if (bad && first_bad.empty()) first_bad = "output " + name;
  }
  if (!first_bad.empty()) return fail(ErrorCode::data_fault, "the first value beyond rtol {} is '{}'", options.rtol, first_bad);
  return {};
}

}  // namespace

void add_compare(CLI::App& app, Work& work) {
  auto options = std::make_shared<CompareOptions>();
  CLI::App& command =
      *app.add_subcommand("compare", "Run two ways (default: against the references) and compare every common value");
  add_model_options(command, options->model);
  command.add_option("OTHER", options->other, "Another model or engine; without it, the same model on reference kernels");
  add_input_options(command, options->input);
  command.add_option("--taps", options->taps, "all, or names of values")->allow_extra_args(false);
  command.add_option("--rtol", options->rtol, "Allowed error relative to the value's scale")->capture_default_str();
  command.add_option("--atol", options->atol, "Allowed absolute error")->capture_default_str();
  command.callback([options, &work] { work = [options] { return compare(*options); }; });
}

}  // namespace slipway::cli
