// slipway serve: models behind the KServe v2 protocol, until SIGTERM.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <set>

#include "base/format.hpp"
#include "cli/cli.hpp"
#include "serve/http/server.hpp"

namespace slipway::cli {
namespace {

struct ServeOptions {
  ModelOptions build;
  std::vector<std::string> models, load;
  std::string folder, control = "none";
  serve::HttpOptions http;
  serve::QueueOptions queue;
  uint16_t http_port = 8000, metrics_port = 8002;
  size_t request_mib = 1024;
  int header_timeout = 10, body_timeout = 60, idle_timeout = 75, drain_timeout = 30;
};

Result<serve::Repository::Options> repository_options(const ServeOptions& options) {
  serve::Repository::Options out;
  out.model.engine = TRY(engine_options(options.build));
  out.model.engine.verify_weights = true;
  out.model.engine.keep_originals = true;
  out.model.queue = options.queue;
  out.folder = options.folder;
  return out;
}

/// The models to load before serving: those given by name, and of the folder all, or in explicit control those asked for.
Status load_models(const ServeOptions& options, serve::Repository& repository) {
  std::set<std::string> names;
  for (const std::string& text : options.models) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
      return fail(ErrorCode::invalid_argument, "--model {}: write it as NAME=PATH", text);
    }
    names.insert(text.substr(0, equals));
    TRY(repository.add({text.substr(0, equals), "1", text.substr(equals + 1)}));
  }
  const bool all = options.control == "none" || std::count(options.load.begin(), options.load.end(), "*") != 0;
  for (const serve::IndexEntry& entry : TRY(repository.index())) {
    if (all) names.insert(entry.name);
  }
  for (const std::string& name : options.load) {
    if (name != "*") names.insert(name);
  }
  if (names.empty() && all) return fail(ErrorCode::not_found, "{} holds no model to serve", options.folder);
  for (const std::string& name : names) {
    const Progress progress("loading " + name);
    TRY(repository.load(name));
  }
  return {};
}

Status run_server(const ServeOptions& options) {
  serve::HttpOptions http = options.http;
  http.header_timeout = std::chrono::seconds(options.header_timeout);
  http.body_timeout = std::chrono::seconds(options.body_timeout);
  http.idle_timeout = std::chrono::seconds(options.idle_timeout);
  http.drain_timeout = std::chrono::seconds(options.drain_timeout);
  http.request_memory = options.request_mib << 20;
  serve::Metrics metrics;
  serve::HttpServer server(http);
  // The repository ends before the server: its last answers need the server's connections.
  serve::Repository repository(TRY(repository_options(options)), metrics);
  TRY(load_models(options, repository));
  serve::Router router(repository, metrics, {SLIPWAY_VERSION, options.control == "explicit"});
  const uint16_t port = TRY(server.listen(options.http_port, [&](serve::Request request, serve::Responder respond) {
    router.handle(std::move(request), std::move(respond));
  }));
  const uint16_t metrics_port =
      TRY(server.listen(options.metrics_port, [&](const serve::Request& request, const serve::Responder& respond) {
        router.handle_metrics(request, respond);
      }));
  std::printf("metrics on http://%s:%d/metrics\nlistening on http://%s:%d\n", http.address.c_str(), metrics_port,
              http.address.c_str(), port);
  std::fflush(stdout);
  server.run([&] { router.drain(); });
  return {};
}

}  // namespace

void add_serve(CLI::App& app, Work& work) {
  auto options = std::make_shared<ServeOptions>();
  CLI::App& command = *app.add_subcommand("serve", "Serve models over HTTP (KServe v2)");
  command.add_option("--model", options->models, "NAME=PATH of a model or engine file (repeatable)");
  auto* folder = command.add_option("--model-repository", options->folder,
                                    "Folder of models: NAME/VERSION/model.onnx or model.slip, NAME.onnx, NAME.slip");
  folder->check(CLI::ExistingDirectory);
  command.add_option("--model-control-mode", options->control, "explicit: clients may load and unload the folder's models")
      ->check(CLI::IsMember({"none", "explicit"}))
      ->capture_default_str();
  command.add_option("--load-model", options->load, "Model to load at the start under explicit control; * is all (repeatable)")
      ->needs(folder);
  command.add_option("--address", options->http.address, "IP address to listen at")->capture_default_str();
  command.add_option("--http-port", options->http_port, "Port of the protocol; 0 picks one")->capture_default_str();
  command.add_option("--metrics-port", options->metrics_port, "Port of GET /metrics; 0 picks one")->capture_default_str();
  command.add_option("--sessions", options->queue.sessions, "Requests that one model works on at the same time")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command.add_option("--queue", options->queue.capacity, "Requests that may wait per model; more are answered 503")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command
      .add_option("--request-memory", options->request_mib,
                  "MiB that the requests in flight may hold together; more are answered 503")
      ->check(CLI::Range(64, 1 << 20))
      ->capture_default_str();
  const auto seconds = [&](const char* name, int& value, const char* help) {
    command.add_option(name, value, help)->check(CLI::PositiveNumber)->capture_default_str();
  };
  seconds("--header-timeout", options->header_timeout, "Seconds for a request's headers to arrive");
  seconds("--body-timeout", options->body_timeout, "Seconds for a body to arrive, and for a reply to be taken");
  seconds("--idle-timeout", options->idle_timeout, "Seconds that a connection may stay unused");
  seconds("--drain-timeout", options->drain_timeout, "Seconds that requests in flight get after SIGTERM");
  add_build_options(command, options->build);
  command.callback([options, &work] {
    if (options->models.empty() && options->folder.empty()) throw CLI::RequiredError("--model or --model-repository");
    work = [options] { return run_server(*options); };
  });
}

}  // namespace slipway::cli
