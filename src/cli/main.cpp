// The program: parses the command line, runs one subcommand, prints one clear line when it fails.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <new>

#include "base/cpu.hpp"
#include "base/log.hpp"
#include "cli/cli.hpp"

namespace {

std::string version_text() {
  const slipway::Isa isa = slipway::detected_isa();
  std::string out = "slipway " SLIPWAY_VERSION;
  if (*SLIPWAY_COMMIT != '\0') out += " (" SLIPWAY_COMMIT ")";
  out += "\ncpu: " + slipway::cpu_info().model + ", " + std::to_string(slipway::available_cpus()) + " usable";
  out += "\nisa: " + std::string(slipway::name(isa));
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  slipway::set_log_sink([](slipway::LogLevel level, std::string_view text) {
    std::fprintf(stderr, "%s: %.*s\n", std::string(name(level)).c_str(), static_cast<int>(text.size()), text.data());
  });
  CLI::App app{"slipway: a trained model in, a served model out"};
  app.set_version_flag("--version", version_text);
  app.require_subcommand(1);
  slipway::cli::Work work;
  slipway::cli::add_build(app, work);
  slipway::cli::add_run(app, work);
  slipway::cli::add_bench(app, work);
  slipway::cli::add_compare(app, work);
  slipway::cli::add_verify(app, work);
  slipway::cli::add_inspect(app, work);
  slipway::cli::add_explain(app, work);
  slipway::cli::add_ops(app, work);
#ifdef SLIPWAY_WITH_SERVE
  slipway::cli::add_serve(app, work);
#endif
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  try {
    const slipway::Status done = work();
    if (done) return 0;
    std::fprintf(stderr, "slipway: %s\n", done.error().text().c_str());
    return 1;
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "slipway: out of memory\n");
  } catch (const std::exception& e) {
    std::fprintf(stderr, "slipway: %s\n", e.what());
  }
  return 1;
}
