// HTTP/1.1 on sockets: keep-alive, pipelining, timeouts, size limits, draining. One answer at a time per connection.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "base/error.hpp"
#include "serve/http/router.hpp"

namespace slipway::serve {

struct HttpOptions {
  std::string address = "127.0.0.1";
  std::chrono::seconds header_timeout{10};  ///< from a request's first byte to the end of its headers
  std::chrono::seconds body_timeout{60};    ///< for a body to arrive, and for a reply to be taken
  std::chrono::seconds idle_timeout{75};    ///< between requests
  std::chrono::seconds drain_timeout{30};   ///< after a signal, for what is in flight
  size_t max_connections = 1024;
  size_t request_memory = size_t{1} << 30;  ///< bytes that the requests in flight may hold together
  int threads = 2;
};

using Handler = std::function<void(Request, Responder)>;

class HttpServer {
 public:
  struct State;
  explicit HttpServer(const HttpOptions& options);
  ~HttpServer();

  /// Starts to listen; 0 picks a port. Gives the port. io error when the address is taken or not one.
  Result<uint16_t> listen(uint16_t port, Handler handler);
  /// Serves until SIGTERM or SIGINT, then drains. `on_drain` is called as draining starts.
  void run(const std::function<void()>& on_drain);

 private:
  std::shared_ptr<State> state_;
};

}  // namespace slipway::serve
