// slipway run: one inference from the command line.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <numeric>

#include "base/format.hpp"
#include "base/low_precision.hpp"
#include "cli/cli.hpp"
#include "cli/inputs.hpp"
#include "cli/json.hpp"
#include "cli/profile.hpp"
#include "cli/report.hpp"
#include "import/onnx/tensor_proto.hpp"

namespace slipway::cli {
namespace {

struct RunOptions {
  ModelOptions model;
  InputOptions input;
  TuneOptions tune;
  std::string output_dir, profile, report;
  int top = 0;
  bool json = false;
};

constexpr int64_t kShownElements = 8;

std::string element_text(const Tensor& t, int64_t i) {
  if (t.type() == ElementType::string) return "\"" + t.as<std::string>()[i] + "\"";
  if (is_float(t.type())) return fmt::format("{:.6g}", load_double(t.data(), t.type(), i));
  return std::to_string(load_int64(t.data(), t.type(), i));
}

std::string summary(const Tensor& t) {
  std::string text = fmt::format("{} {}", name(t.type()), to_string(t.dims()));
  if (contains(type_sets::kComplex, t.type())) return text;
  text += "  [";
  for (int64_t i = 0; i < std::min(t.count(), kShownElements); ++i) text += (i == 0 ? "" : ", ") + element_text(t, i);
  text += t.count() > kShownElements ? ", ...]" : "]";
  if (is_float(t.type()) && t.count() > 0) {
    const std::vector<double> all = to_doubles(t.view());
    const auto [low, high] = std::minmax_element(all.begin(), all.end());
    text += fmt::format("  min {:.5g}  max {:.5g}  mean {:.5g}", *low, *high,
                        std::accumulate(all.begin(), all.end(), 0.0) / static_cast<double>(all.size()));
  }
  return text;
}

/// The K largest scores of the last axis, softmaxed when they do not look like probabilities.
void print_top(const std::string& output, const Tensor& t, int k) {
  const int64_t classes = t.dims().empty() ? 1 : t.dims().back();
  const std::vector<double> all = to_doubles(t.view());
  for (int64_t row = 0; classes > 0 && row < t.count() / classes; ++row) {
    const double* scores = all.data() + row * classes;
    const double sum = std::accumulate(scores, scores + classes, 0.0), low = *std::min_element(scores, scores + classes);
    const double high = *std::max_element(scores, scores + classes);
    const bool probabilities = low >= 0 && std::abs(sum - 1) < 1e-2;
    double total = 0;
    for (int64_t i = 0; i < classes; ++i) total += std::exp(scores[i] - high);
    std::vector<int64_t> order(static_cast<size_t>(classes));
    std::iota(order.begin(), order.end(), int64_t{0});
    const auto kept = std::min<int64_t>(k, classes);
    std::partial_sort(order.begin(), order.begin() + kept, order.end(),
                      [&](int64_t a, int64_t b) { return scores[a] != scores[b] ? scores[a] > scores[b] : a < b; });
    std::printf("%s, row %lld:\n", output.c_str(), static_cast<long long>(row));
    for (int64_t i = 0; i < kept; ++i) {
      const double score = scores[order[static_cast<size_t>(i)]];
      std::printf("  %6lld  %s %.4f\n", static_cast<long long>(order[static_cast<size_t>(i)]), probabilities ? "p" : "softmax",
                  probabilities ? score : std::exp(score - high) / total);
    }
  }
}

std::string json_values(const Tensor& t) {
  std::string out = "[";
  for (int64_t i = 0; i < t.count(); ++i) {
    if (i != 0) out += ',';
    if (t.type() == ElementType::string) {
      out += json_text(t.as<std::string>()[i]);
    } else if (t.type() == ElementType::boolean) {
      out += load_int64(t.data(), t.type(), i) != 0 ? "true" : "false";
    } else if (is_float(t.type())) {
      out += json_number(load_double(t.data(), t.type(), i));
    } else {
      out += element_text(t, i);
    }
  }
  return out + "]";
}

Status write_outputs(const engine::Engine& engine, const std::vector<ir::Value>& outputs, const std::string& folder) {
  std::filesystem::create_directories(folder);
  for (size_t i = 0; i < outputs.size(); ++i) {
    std::string file = engine.outputs()[i].name;
    std::replace(file.begin(), file.end(), '/', '_');
    const Tensor* t = outputs[i].tensor();
    if (t != nullptr && npy_holds(t->type())) {
      TRY(write_npy(fmt::format("{}/{}.npy", folder, file), *t));
      continue;
    }
    const std::string path = fmt::format("{}/{}.pb", folder, file);
    std::ofstream out(path, std::ios::binary);
    out << import::onnx::write_value(outputs[i], engine.outputs()[i].name);
    out.close();
    if (!out) return fail(ErrorCode::io, "{}: cannot be written: {}", path, std::strerror(errno));
  }
  return {};
}

/// Runs on the inputs asked for; where those leave extents open and the model does not run on the least, on larger ones.
Status run_first(const engine::Engine& engine, runtime::Session& session, const RunOptions& options,
                 std::vector<ir::Value>& inputs, std::vector<ir::Value>& outputs) {
  const Progress progress("running " + options.model.model);
  InputOptions wanted = options.input;
  const bool open = has_open_extents(engine, wanted);
  Status first;
  for (const int64_t extent : kOpenExtents) {
    wanted.open = extent;
    std::vector<std::string> notes;
    inputs = TRY(make_inputs(engine, wanted, notes));
    Status ran = session.run(inputs, outputs);
    const bool last = ran || !open;
    if (last || extent == kOpenExtents[0]) {
      for (const std::string& note : notes) std::fprintf(stderr, "%s\n", note.c_str());
      if (!last) std::fprintf(stderr, "the model does not run on so little, larger open extents are tried\n");
    }
    if (last) return ran;
    if (extent == kOpenExtents[0]) first = std::move(ran);
  }
  return first;
}

Status run(const RunOptions& options) {
  engine::Options base = TRY(engine_options(options.model));
  base.explain = !options.report.empty();
  const std::shared_ptr<engine::Engine> engine = TRY(open_model(options.model, base));
  std::unique_ptr<runtime::Session> session = engine->session();
  std::vector<ir::Value> inputs, outputs;
  TRY(run_first(*engine, *session, options, inputs, outputs));
  TRY(tune(*engine, inputs, options.tune));
  if (options.tune.tune != "off") {
    session = engine->session();
    TRY(session->run(inputs, outputs));
  }
  if (!options.profile.empty() || !options.report.empty()) {
    const Progress progress("timing the steps of " + options.model.model);
    const Profile measured = TRY(profile(*session, inputs, engine->options().isa));
    if (!options.profile.empty()) TRY(write_profile(measured, options.profile));
    if (!options.report.empty()) TRY(write_report(*engine, options.model.model, measured, options.report));
    if (!options.json) print_profile(measured);
  }
  if (!options.output_dir.empty()) TRY(write_outputs(*engine, outputs, options.output_dir));
  if (options.json) {
    std::string text = "{\"outputs\":[";
    for (size_t i = 0; i < outputs.size(); ++i) {
      const Tensor* t = outputs[i].tensor();
      text += fmt::format("{}{{\"name\":{}", i == 0 ? "" : ",", json_text(engine->outputs()[i].name));
      if (t != nullptr) {
        std::string shape;
        for (int64_t d : t->dims()) shape += (shape.empty() ? "" : ",") + std::to_string(d);
        text += fmt::format(",\"type\":\"{}\",\"shape\":[{}],\"data\":{}", name(t->type()), shape, json_values(*t));
      }
      text += "}";
    }
    std::printf("%s]}\n", text.c_str());
    return {};
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    const std::string& output = engine->outputs()[i].name;
    const Tensor* t = outputs[i].tensor();
    if (t == nullptr) {
      const auto* list = outputs[i].sequence();
      std::printf("%s: %s\n", output.c_str(), list == nullptr ? "nothing" : fmt::format("sequence of {}", list->size()).c_str());
    } else if (options.top > 0 && is_float(t->type())) {
      print_top(output, *t, options.top);
    } else {
      std::printf("%s: %s\n", output.c_str(), summary(*t).c_str());
    }
  }
  return {};
}

}  // namespace

void add_run(CLI::App& app, Work& work) {
  auto options = std::make_shared<RunOptions>();
  CLI::App& command = *app.add_subcommand("run", "Run a model once on files, pictures or random inputs");
  add_model_options(command, options->model);
  add_input_options(command, options->input);
  add_tune_options(command, options->tune);
  command.add_option("--output-dir", options->output_dir,
                     "Write each output into this folder: NAME.npy, or NAME.pb (ONNX) where NumPy has no such type");
  command.add_option("--top", options->top, "Print the K highest classes of each row")->check(CLI::PositiveNumber);
  command.add_flag("--json", options->json, "Print the outputs as one JSON object");
  command.add_option("--profile", options->profile, "Write per-step times to this JSON file and print the slowest steps");
  command.add_option("--report", options->report, "Draw times, limits and choices of every step in this HTML file");
  command.callback([options, &work] { work = [options] { return run(*options); }; });
}

}  // namespace slipway::cli
