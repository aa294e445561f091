// From a path and a method to an answer: the KServe v2 endpoints. Knows nothing of sockets.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "serve/repository/repository.hpp"

namespace slipway::serve {

struct Request {
  std::string method, target, body;
  std::string content_encoding, accept_encoding;
  std::optional<std::string> json_bytes;  ///< Inference-Header-Content-Length
  /// Becomes true when the client is gone and an answer would be for nobody; may be null.
  std::shared_ptr<const std::atomic<bool>> abandoned;
  /// Counts the body already; what is made of it is counted too. Null: no bound.
  std::shared_ptr<MemoryLease> memory;
};

struct Reply {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
  std::string content_encoding, allow;  ///< empty: no such header
  std::optional<size_t> json_bytes;
  std::optional<std::chrono::seconds> retry_after;
};

/// Called once, on any thread.
using Responder = std::function<void(Reply)>;

Reply error_reply(int status, std::string_view text);
Reply error_reply(const Error& error);

/// Thread-safe once the server runs.
class Router {
 public:
  struct Options {
    std::string version;         ///< of the server
    bool model_control = false;  ///< clients may load and unload models
  };
  Router(Repository& repository, const Metrics& metrics, Options options)
      : repository_(repository), metrics_(metrics), options_(std::move(options)) {}

  void handle(Request request, Responder respond) const;
  /// What the metrics port offers: GET /metrics.
  void handle_metrics(const Request& request, const Responder& respond) const;
  /// From now on health/ready says no.
  void drain() { draining_ = true; }

 private:
  Result<Reply> answer(const Request& request, const std::vector<std::string>& path) const;
  Result<Reply> answer_model(const Request& request, const std::vector<std::string>& path) const;
  Result<Reply> answer_index(const Request& request) const;
  Result<Reply> answer_all_statistics(const Request& request) const;
  void control(const Request& request, const std::string& model, bool load, const Responder& respond) const;
  void infer(Request request, const Model& model, Responder respond) const;

  Repository& repository_;
  const Metrics& metrics_;
  const Options options_;
  std::atomic<bool> draining_{false};
};

}  // namespace slipway::serve
