// A request as the sockets' side hands it on: any method, path, headers and body get one answer with a sensible status.
//   lines: method, target, Content-Encoding, Accept-Encoding, Inference-Header-Content-Length ("-": none); then the body
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <stdexcept>
#include <string_view>

#include "ir/text.hpp"
#include "ops/registry.hpp"
#include "serve/http/router.hpp"

namespace {

using namespace slipway;
using namespace slipway::serve;

void require(bool good, const char* what, std::string_view text = "") {
  if (good) return;
  std::fprintf(stderr, "%s:\n%.*s\n", what, static_cast<int>(text.size()), text.data());
  std::abort();
}

/// y = x + x, text passes through; served as "m" for as long as the process lives.
struct Service {
  Metrics metrics;
  Repository repository{{}, metrics};
  Router router{repository, metrics, {"0", true}};

  Service() {
    Result<ir::Graph> graph = ir::parse(
        "graph \"g\" {\n  input %x: f32[n,2]\n  input %t: string[k]\n  %y = Add(%x, %x)\n  %u = Identity(%t)\n"
        "  output %y\n  output %u\n}\n",
        ops::lookup);
    require(graph.has_value(), "no graph");
    const auto path = std::filesystem::temp_directory_path() / ("slipway_http_fuzz_" + std::to_string(getpid()));
    const auto engine = engine::Engine::from_graph(std::move(graph).value());
    require(engine.has_value() && (*engine)->save(path).has_value(), "no engine");
    require(repository.add({"m", "1", path}).has_value() && repository.load("m").has_value(), "no model");
    std::filesystem::remove(path);
  }
};

std::string line_of(std::string_view& rest) {
  const std::string_view line = rest.substr(0, rest.find('\n'));
  rest.remove_prefix(std::min(rest.size(), line.size() + 1));
  return std::string(line);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Service* const service = new Service;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  Request request;
  request.method = line_of(rest);
  request.target = line_of(rest);
  request.content_encoding = line_of(rest);
  request.accept_encoding = line_of(rest);
  request.json_bytes = line_of(rest);
  if (request.json_bytes == "-") request.json_bytes.reset();
  request.body = rest;
  if (request.target.find("load") != std::string::npos) return 0;  // the one model must stay
  std::promise<Reply> promise;
  service->router.handle(std::move(request), [&](Reply reply) { promise.set_value(std::move(reply)); });
  const Reply reply = promise.get_future().get();
  constexpr int kKnown[] = {200, 400, 404, 405, 413, 501, 503};
  require(std::find(std::begin(kKnown), std::end(kKnown), reply.status) != std::end(kKnown), "a status of its own",
          std::to_string(reply.status) + reply.body);
  require(reply.status == 200 || reply.body.empty() || reply.body.rfind("{\"error\":\"", 0) == 0, "an error without a sentence",
          reply.body);
  return 0;
}
