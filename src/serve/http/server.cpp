#include <utility>

#include "serve/http/server.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <csignal>
#include <new>
#include <set>
#include <thread>

#include "base/format.hpp"
#include "base/log.hpp"

namespace slipway::serve {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
namespace net = boost::asio;
using net::ip::tcp;
using Failure = beast::error_code;

constexpr size_t kReadBytes = 65536;
/// What a client may send ahead while its request is being answered.
constexpr size_t kMaxAhead = 65536;
constexpr uint32_t kMaxHeaderBytes = 16384;
constexpr std::chrono::seconds kLinger{2};
constexpr std::chrono::milliseconds kAcceptPause{100};

class Connection;

}  // namespace

struct HttpServer::State {
  explicit State(const HttpOptions& o)
      : options(o), memory(std::make_shared<MemoryBudget>(o.request_memory)), context(o.threads) {}

  HttpOptions options;
  const std::shared_ptr<MemoryBudget> memory;
  std::mutex mutex;
  std::set<Connection*> connections;  // guarded by mutex; a connection removes itself
  std::atomic<bool> draining{false};
  /// Ends run() early once nothing is left to wait for; guarded by mutex.
  std::function<void()> on_empty;
  net::io_context context;  // after what connections touch: it ends those that are left
  std::vector<std::shared_ptr<tcp::acceptor>> acceptors;

  void accept(const std::shared_ptr<tcp::acceptor>& acceptor, const std::shared_ptr<const Handler>& handler);
  std::vector<std::shared_ptr<Connection>> alive();
  void drain();
  /// Gives up on every request in flight.
  void cut();
  void run_context();
};

namespace {

/// All of it runs on the strand of its stream.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(tcp::socket socket, HttpServer::State& state, std::shared_ptr<const Handler> handler)
      : stream_(std::move(socket)), state_(state), handler_(std::move(handler)) {
    const std::lock_guard lock(state_.mutex);
    state_.connections.insert(this);
  }
  ~Connection() {
    const std::lock_guard lock(state_.mutex);
    state_.connections.erase(this);
    if (state_.connections.empty() && state_.on_empty) state_.on_empty();
  }

  void start() {
    net::dispatch(stream_.get_executor(), [self = shared_from_this()] {
      Failure ignored;
      self->stream_.socket().set_option(tcp::no_delay(true), ignored);
      self->stream_.socket().non_blocking(true, ignored);
      self->wait();
    });
  }
  /// Closes at once when no request is under way.
  void drain() {
    net::post(stream_.get_executor(), [self = shared_from_this()] {
      if (self->idle_) self->stream_.cancel();
    });
  }
  /// Nobody waits for the answer any more. Thread-safe.
  void abandon() { abandoned_ = true; }

 private:
  void wait() {
    if (buffer_.size() != 0) return read_header();
    if (state_.draining) return close();
    idle_ = true;
    stream_.expires_after(state_.options.idle_timeout);
    stream_.async_read_some(buffer_.prepare(kReadBytes), [self = shared_from_this()](Failure failure, size_t bytes) {
      self->idle_ = false;
      if (failure) return;
      self->buffer_.commit(bytes);
      self->read_header();
    });
  }

  void read_header() {
    buffer_.reserve(kReadBytes);  // as much is read at a time as there is room for
    parser_.emplace();
    parser_->header_limit(kMaxHeaderBytes);
    parser_->body_limit(kMaxBodyBytes);
    stream_.expires_after(state_.options.header_timeout);
    http::async_read_header(stream_, buffer_, *parser_, [self = shared_from_this()](Failure failure, size_t) {
      if (failure) return self->refuse(failure);
      self->memory_ = std::make_shared<MemoryLease>(self->state_.memory);
      self->stream_.expires_after(self->state_.options.body_timeout);
      if (beast::iequals(self->parser_->get()[http::field::expect], "100-continue")) return self->invite();
      self->read_body();
    });
  }

  void invite() {
    invitation_ = std::make_unique<http::response<http::empty_body>>(http::status::continue_, 11);
    http::async_write(stream_, *invitation_, [self = shared_from_this()](Failure failure, size_t) {
      if (!failure) self->read_body();
    });
  }

  /// A body counts as it arrives: what a client only announces takes nothing from the others.
  void read_body() {
    if (parser_->is_done()) return handle();
    http::async_read_some(stream_, buffer_, *parser_, [self = shared_from_this()](Failure failure, size_t bytes) {
      if (failure) return self->refuse(failure);
      if (Status room = self->memory_->grow(bytes); !room) {
        self->keep_alive_ = false;
        return self->respond(error_reply(room.error()));
      }
      self->read_body();
    });
  }

  void handle() {
    auto message = parser_->release();
    version_ = message.version();
    keep_alive_ = message.keep_alive();
    Request request;
    const auto text = [](beast::string_view v) { return std::string(v.data(), v.size()); };
    request.method = text(message.method_string());
    request.target = text(message.target());
    request.content_encoding = text(message[http::field::content_encoding]);
    request.accept_encoding = text(message[http::field::accept_encoding]);
    if (const auto found = message.find("Inference-Header-Content-Length"); found != message.end())
      request.json_bytes = text(found->value());
    request.body = std::move(message.body());
    request.memory = memory_;
    request.abandoned = std::shared_ptr<const std::atomic<bool>>(shared_from_this(), &abandoned_);
    stream_.expires_never();
    watch();
    (*handler_)(std::move(request), [self = shared_from_this()](Reply reply) {
      net::post(self->stream_.get_executor(), [self, reply = std::move(reply)]() mutable { self->respond(std::move(reply)); });
    });
  }

  /// While a request is being answered: takes in what its client sends ahead, and sees when the client is gone.
  void watch() {
    if (buffer_.size() >= kMaxAhead) return;
    stream_.socket().async_wait(tcp::socket::wait_read, [self = shared_from_this(), answered = answered_](Failure failure) {
      if (failure || answered != self->answered_) return;
      const size_t bytes = self->stream_.socket().read_some(self->buffer_.prepare(kReadBytes), failure);
      if (failure && failure != net::error::would_block) return self->abandon();
      self->buffer_.commit(bytes);
      self->watch();
    });
  }

  /// Answers what could not be read, and closes.
  void refuse(Failure failure) {
    keep_alive_ = false;
    if (failure == http::error::body_limit) {
      return respond(error_reply(413, fmt::format("the body is larger than {} bytes, the most that is taken", kMaxBodyBytes)));
    }
    if (failure == http::error::header_limit) {
      return respond(
          error_reply(431, fmt::format("the headers are larger than {} bytes, the most that is taken", kMaxHeaderBytes)));
    }
    const bool gone = failure == http::error::end_of_stream || failure == http::error::partial_message;
    if (gone || failure.category() != make_error_code(http::error::bad_method).category()) return;
    respond(error_reply(400, "this is not HTTP/1.1: " + failure.message()));
  }

  void respond(Reply reply) {
    ++answered_;
    if (Status room = memory_ ? memory_->grow(reply.body.size()) : Status(); !room) reply = error_reply(room.error());
    Failure ignored;
    stream_.socket().cancel(ignored);
    keep_alive_ = keep_alive_ && !state_.draining && !abandoned_;
    response_ = std::make_unique<http::response<http::string_body>>(static_cast<http::status>(reply.status), version_);
    response_->set(http::field::server, "slipway");
    response_->set(http::field::content_type, reply.content_type);
    if (!reply.content_encoding.empty()) response_->set(http::field::content_encoding, reply.content_encoding);
    if (!reply.allow.empty()) response_->set(http::field::allow, reply.allow);
    if (reply.retry_after) response_->set(http::field::retry_after, std::to_string(reply.retry_after->count()));
    if (reply.json_bytes) response_->set("Inference-Header-Content-Length", std::to_string(*reply.json_bytes));
    response_->keep_alive(keep_alive_);
    response_->body() = std::move(reply.body);
    response_->prepare_payload();
    stream_.expires_after(state_.options.body_timeout);
    http::async_write(stream_, *response_, [self = shared_from_this()](Failure failure, size_t) {
      self->response_.reset();
      self->memory_.reset();
      if (failure) return;
      if (self->keep_alive_) return self->wait();
      self->close();
    });
  }

  /// Ends sending, then waits a little for the client to end: closing over unread bytes would take the reply away from it.
  void close() {
    Failure ignored;
    stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
    stream_.expires_after(kLinger);
    discard();
  }
  void discard() {
    buffer_.clear();
    net::post(stream_.get_executor(), [self = shared_from_this()] {
      self->stream_.async_read_some(self->buffer_.prepare(kReadBytes), [self](Failure failure, size_t) {
        if (!failure) self->discard();
      });
    });
  }

  beast::tcp_stream stream_;
  HttpServer::State& state_;
  std::shared_ptr<const Handler> handler_;
  beast::flat_buffer buffer_;
  std::shared_ptr<MemoryLease> memory_;  // of the request being read or answered
  std::optional<http::request_parser<http::string_body>> parser_;
  std::unique_ptr<http::response<http::empty_body>> invitation_;
  std::unique_ptr<http::response<http::string_body>> response_;
  unsigned version_ = 11;
  bool keep_alive_ = false, idle_ = false;
  uint64_t answered_ = 0;
  std::atomic<bool> abandoned_{false};
};

}  // namespace

void HttpServer::State::accept(const std::shared_ptr<tcp::acceptor>& acceptor, const std::shared_ptr<const Handler>& handler) {
  acceptor->async_accept(net::make_strand(context), [this, acceptor, handler](Failure failure, tcp::socket socket) {
    if (draining || failure == net::error::operation_aborted) return;
    if (failure) {  // no descriptor left, most likely: try again when some are back
      auto pause = std::make_shared<net::steady_timer>(acceptor->get_executor(), kAcceptPause);
      return pause->async_wait([this, acceptor, handler, pause](Failure) {
        if (!draining) accept(acceptor, handler);
      });
    }
    bool room = false;
    {
      const std::lock_guard lock(mutex);
      room = connections.size() < options.max_connections;
    }
    if (room) std::make_shared<Connection>(std::move(socket), *this, handler)->start();
    accept(acceptor, handler);
  });
}

void HttpServer::State::drain() {
  draining = true;
  for (const auto& acceptor : acceptors) {
    net::post(acceptor->get_executor(), [acceptor] {
      Failure ignored;
      acceptor->close(ignored);
    });
  }
  for (const auto& connection : alive()) connection->drain();
}

void HttpServer::State::cut() {
  for (const auto& connection : alive()) connection->abandon();
  context.stop();
}

/// Owners leave the lock behind: the last owner of a connection takes the mutex.
std::vector<std::shared_ptr<Connection>> HttpServer::State::alive() {
  std::vector<std::shared_ptr<Connection>> out;
  const std::lock_guard lock(mutex);
  for (Connection* connection : connections) {
    if (auto owned = connection->weak_from_this().lock()) out.push_back(std::move(owned));
  }
  return out;
}

/// Memory that runs out ends the connection that asked for it, not the server.
void HttpServer::State::run_context() {
  for (;;) {
    try {
      context.run();
      return;
    } catch (const std::bad_alloc&) {
      log(LogLevel::warning, "a connection was closed: there is not enough memory for its request");
    }
  }
}

HttpServer::HttpServer(const HttpOptions& options) : state_(std::make_shared<State>(options)) {}
HttpServer::~HttpServer() = default;

Result<uint16_t> HttpServer::listen(uint16_t port, Handler handler) {
  Failure failure;
  const std::string& address = state_->options.address;
  const net::ip::address parsed = net::ip::make_address(address, failure);
  if (failure) return fail(ErrorCode::invalid_argument, "'{}' is not an IP address to listen at", address);
  const tcp::endpoint endpoint(parsed, port);
  auto acceptor = std::make_shared<tcp::acceptor>(net::make_strand(state_->context));
  acceptor->open(endpoint.protocol(), failure);
  if (!failure) acceptor->set_option(net::socket_base::reuse_address(true), failure);
  if (!failure) acceptor->bind(endpoint, failure);
  if (!failure) acceptor->listen(net::socket_base::max_listen_connections, failure);
  if (failure) return fail(ErrorCode::io, "cannot listen at {} port {}: {}", address, port, failure.message());
  state_->acceptors.push_back(acceptor);
  state_->accept(acceptor, std::make_shared<const Handler>(std::move(handler)));
  return acceptor->local_endpoint().port();
}

void HttpServer::run(const std::function<void()>& on_drain) {
  const auto strand = net::make_strand(state_->context);
  net::signal_set signals(strand, SIGTERM, SIGINT);
  net::steady_timer limit(strand);
  {
    const std::lock_guard lock(state_->mutex);
    state_->on_empty = [&] {
      if (state_->draining) net::post(strand, [&] { limit.cancel(); });
    };
  }
  signals.async_wait([&](Failure failure, int) {
    if (failure) return;
    on_drain();
    limit.expires_after(state_->options.drain_timeout);
    state_->drain();
    {
      const std::lock_guard lock(state_->mutex);
      if (state_->connections.empty()) return;
    }
    limit.async_wait([&](Failure cut) {
      if (!cut) state_->cut();
    });
  });
  std::vector<std::thread> threads;
  for (int i = 1; i < state_->options.threads; ++i) threads.emplace_back([this] { state_->run_context(); });
  state_->run_context();
  for (std::thread& thread : threads) thread.join();
  const std::lock_guard lock(state_->mutex);
  state_->on_empty = nullptr;
}

}  // namespace slipway::serve
