// slipway verify: folders in the ONNX test layout against their expected outputs.
#include <rapidjson/document.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <tuple>

#include "base/format.hpp"
#include "base/low_precision.hpp"
#include "cli/cli.hpp"
#include "cli/difference.hpp"
#include "import/onnx/tensor_proto.hpp"

namespace slipway::cli {
namespace {

namespace fs = std::filesystem;

struct VerifyOptions {
  ModelOptions model;  // the MODEL positional is replaced by DIR...
  std::vector<std::string> dirs;
  double rtol = 1e-3, atol = 1e-7;
  std::string filter;
  bool verbose = false, reload = false;
};

struct Case {
  fs::path folder;
  size_t dir;  ///< of the options' dirs
  double rtol, atol;
};

struct Total {
  size_t passed = 0, failed = 0;
  double ms = 0;
};

/// Tolerances per case path from a suite's manifest.json.
std::map<std::string, std::pair<double, double>> read_manifest(const fs::path& file) {
  std::map<std::string, std::pair<double, double>> out;
  std::ifstream in(file);
  std::stringstream text;
  text << in.rdbuf();
  rapidjson::Document document;
  document.Parse<rapidjson::kParseIterativeFlag>(text.str().c_str());
  if (document.HasParseError() || !document.IsObject() || !document.HasMember("cases") || !document["cases"].IsArray())
    return out;
  for (const auto& entry : document["cases"].GetArray()) {
    if (entry.IsObject() && entry.HasMember("path") && entry["path"].IsString() && entry.HasMember("rtol") &&
        entry.HasMember("atol")) {
      out[entry["path"].GetString()] = {entry["rtol"].GetDouble(), entry["atol"].GetDouble()};
    }
  }
  return out;
}

std::vector<Case> find_cases(const VerifyOptions& options) {
  std::vector<Case> cases;
  for (size_t dir = 0; dir < options.dirs.size(); ++dir) {
    fs::path root = fs::absolute(options.dirs[dir]).lexically_normal();
    if (!root.has_filename()) root = root.parent_path();  // written with a slash at the end
    std::map<std::string, std::pair<double, double>> tolerances;
    fs::path home = root;
    for (int up = 0; up < 3 && tolerances.empty(); ++up, home = home.parent_path()) {
      if (fs::exists(home / "manifest.json")) {
        tolerances = read_manifest(home / "manifest.json");
        break;
      }
    }
    const auto add = [&](const fs::path& folder) {
      if (!fs::exists(folder / "model.onnx")) return;
      if (folder.string().find(options.filter) == std::string::npos) return;
      const auto at = tolerances.find(fs::relative(folder, home).string());
      cases.push_back({folder, dir, at == tolerances.end() ? options.rtol : at->second.first,
                       at == tolerances.end() ? options.atol : at->second.second});
    };
    add(root);
    std::error_code ignored;
    for (const auto& entry : fs::recursive_directory_iterator(root, ignored)) {
      if (entry.is_directory()) add(entry.path());
    }
  }
  std::sort(cases.begin(), cases.end(),
            [](const Case& a, const Case& b) { return std::tie(a.dir, a.folder) < std::tie(b.dir, b.folder); });
  return cases;
}

Result<std::vector<ir::Value>> read_values(const fs::path& data, const char* stem, const std::vector<engine::Port>& ports) {
  std::vector<ir::Value> out;
  for (size_t i = 0; i < ports.size(); ++i) {
    const fs::path file = data / fmt::format("{}_{}.pb", stem, i);
    if (!fs::exists(file)) break;
    out.push_back(TRY(import::onnx::read_value(TRY(read_file(file.string())), ports[i].fact)));
  }
  return out;
}

/// The engine after a way through its file.
Result<std::shared_ptr<engine::Engine>> reloaded(const engine::Engine& engine, const engine::Options& options) {
  const fs::path file = fs::temp_directory_path() / fmt::format("slipway-verify-{}.slip", ::getpid());
  TRY(engine.save(file));
  auto again = engine::Engine::load(file, options);
  std::error_code ignored;
  fs::remove(file, ignored);
  return again;
}

Status run_case(const Case& test, const VerifyOptions& options) {
  const auto build = TRY(engine_options(options.model));
  auto engine = TRY(engine::Engine::load(test.folder / "model.onnx", build));
  if (options.reload) engine = TRY(reloaded(*engine, build));
  const auto session = engine->session();
  int sets = 0;
  for (; fs::exists(test.folder / fmt::format("test_data_set_{}", sets)); ++sets) {
    const fs::path data = test.folder / fmt::format("test_data_set_{}", sets);
    const std::vector<ir::Value> inputs = TRY(read_values(data, "input", engine->inputs()));
    const std::vector<ir::Value> expected = TRY(read_values(data, "output", engine->outputs()));
    std::vector<ir::Value> outputs;
    TRY(session->run(inputs, outputs));
    for (size_t i = 0; i < expected.size(); ++i) {
      const std::string difference = first_difference(outputs[i], expected[i], {test.rtol, test.atol});
      if (!difference.empty()) {
        return fail(ErrorCode::data_fault, "output '{}' of {}: {}", engine->outputs()[i].name, data.filename().string(),
                    difference);
      }
    }
  }
  if (sets == 0) return Error(ErrorCode::not_found, "no test_data_set_0 folder");
  return {};
}

Status verify(const VerifyOptions& options) {
  const std::vector<Case> cases = find_cases(options);
  if (cases.empty()) return Error(ErrorCode::not_found, "no folder with a model.onnx below the given ones");
  std::vector<Total> totals(options.dirs.size());
  Progress progress("verifying");
  for (size_t i = 0; i < cases.size(); ++i) {
    const auto start = std::chrono::steady_clock::now();
    const Status done = [&]() -> Status {
      try {
        return run_case(cases[i], options);
      } catch (const std::exception& e) {
        return fail(ErrorCode::internal, "exception: {}", e.what());
      }
    }();
    const double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    progress.update(fmt::format("{} of {}", i + 1, cases.size()));
    Total& total = totals[cases[i].dir];
    total.ms += ms;
    (done ? total.passed : total.failed) += 1;
    if (done) {
      if (options.verbose) std::printf("ok   %8.1f ms  %s\n", ms, cases[i].folder.filename().c_str());
    } else {
      std::printf("FAIL %8.1f ms  %s: %s\n", ms, cases[i].folder.filename().c_str(), done.error().text().c_str());
    }
    std::fflush(stdout);
  }
  Total all;
  for (size_t dir = 0; dir < totals.size(); ++dir) {
    const Total& total = totals[dir];
    if (totals.size() > 1) {
      std::printf("%s: %zu passed, %zu failed, %.1f s\n", options.dirs[dir].c_str(), total.passed, total.failed, total.ms / 1e3);
    }
    all.passed += total.passed;
    all.failed += total.failed;
    all.ms += total.ms;
  }
  std::printf("%.1f s\n%zu passed, %zu failed\n", all.ms / 1e3, all.passed, all.failed);
  if (all.failed != 0) return fail(ErrorCode::data_fault, "{} of {} cases failed", all.failed, cases.size());
  return {};
}

}  // namespace

void add_verify(CLI::App& app, Work& work) {
  auto options = std::make_shared<VerifyOptions>();
  CLI::App& command = *app.add_subcommand("verify", "Check folders in the ONNX test layout (model.onnx, test_data_set_*/)");
  add_build_options(command, options->model);
  command.add_option("DIR", options->dirs, "Folders; cases are found below them")->required();
  command.add_option("--filter", options->filter, "Only cases whose path contains this text");
  command.add_option("--rtol", options->rtol, "Relative tolerance where no manifest.json says another")->capture_default_str();
  command.add_option("--atol", options->atol, "Absolute tolerance where no manifest.json says another")->capture_default_str();
  command.add_flag("--reload", options->reload, "Run what comes back from an engine file");
  command.add_flag("-v,--verbose", options->verbose, "Print passing cases too");
  command.callback([options, &work] { work = [options] { return verify(*options); }; });
}

}  // namespace slipway::cli
