// slipway bench: latency of repeated runs, as one JSON object or a line.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>

#include "base/format.hpp"
#include "cli/cli.hpp"
#include "cli/inputs.hpp"
#include "cli/json.hpp"

namespace slipway::cli {
namespace {

struct BenchOptions {
  ModelOptions model;
  InputOptions input;
  TuneOptions tune;
  double seconds = 3;
  bool json = false;
};

constexpr int kWarmupRuns = 3;
constexpr double kWarmupSeconds = 0.3;

double ms_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

/// The most memory that was resident since the program started; getrusage() would count what the parent had before exec.
long peak_rss_kib() {
  std::ifstream status("/proc/self/status");
  long kib = 0;
  for (std::string line; std::getline(status, line);) {
    if (std::sscanf(line.c_str(), "VmHWM: %ld", &kib) == 1) return kib;
  }
  return 0;
}

Status bench(const BenchOptions& options) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point open = Clock::now();
  const std::shared_ptr<engine::Engine> engine = TRY(open_model(options.model, TRY(engine_options(options.model))));
  std::unique_ptr<runtime::Session> session = engine->session();
  const double load_ms = ms_since(open);
  std::vector<std::string> notes;
  const std::vector<ir::Value> inputs = TRY(make_inputs(*engine, options.input, notes));
  for (const std::string& note : notes) std::fprintf(stderr, "%s\n", note.c_str());
  TRY(tune(*engine, inputs, options.tune));
  if (options.tune.tune != "off") session = engine->session();

  std::vector<ir::Value> outputs;
  const Clock::time_point first = Clock::now();
  TRY(session->run(inputs, outputs));
  const double first_ms = ms_since(first);
  const Clock::time_point warm = Clock::now();
  for (int i = 0; i < kWarmupRuns || ms_since(warm) < kWarmupSeconds * 1e3; ++i) TRY(session->run(inputs, outputs));

  std::vector<double> latency;
  for (const Clock::time_point start = Clock::now(); latency.empty() || ms_since(start) < options.seconds * 1e3;) {
    const Clock::time_point begin = Clock::now();
    TRY(session->run(inputs, outputs));
    latency.push_back(ms_since(begin));
  }
  const long peak_rss = peak_rss_kib();
  if (options.json) {
    std::string list;
    for (double ms : latency) list += fmt::format("{}{:.5f}", list.empty() ? "" : ",", ms);
    std::printf(
        "{\"model\":%s,\"threads\":%d,\"precision\":\"%s\",\"load_ms\":%.3f,\"first_ms\":%.3f,\"latency_ms\":[%s],"
        "\"peak_rss_kib\":%ld,\"arena_bytes\":%zu,\"packed_bytes\":%zu}\n",
        json_text(options.model.model).c_str(), session->threads(), options.model.precision.c_str(), load_ms, first_ms,
        list.c_str(), peak_rss, session->arena_bytes(), engine->packed_bytes());
    return {};
  }
  std::sort(latency.begin(), latency.end());
  const auto at = [&](double q) {
    return latency[std::min(latency.size() - 1, static_cast<size_t>(q * static_cast<double>(latency.size())))];
  };
  std::printf(
      "%zu runs, %d threads: median %.3f ms, p10 %.3f, p90 %.3f, p99 %.3f; load %.1f ms, first run %.1f ms, arena %.1f MiB, peak "
      "RSS %.1f MiB\n",
      latency.size(), session->threads(), at(0.5), at(0.1), at(0.9), at(0.99), load_ms, first_ms,
      static_cast<double>(session->arena_bytes()) / 1048576, static_cast<double>(peak_rss) / 1024);
  return {};
}

}  // namespace

void add_bench(CLI::App& app, Work& work) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App& command = *app.add_subcommand("bench", "Time repeated runs of a model");
  add_model_options(command, options->model);
  add_input_options(command, options->input);
  add_tune_options(command, options->tune);
  command.add_option("--seconds", options->seconds, "How long to measure")->check(CLI::PositiveNumber)->capture_default_str();
  command.add_flag("--json", options->json, "Print one JSON object with every latency");
  command.callback([options, &work] { work = [options] { return bench(*options); }; });
}

}  // namespace slipway::cli
