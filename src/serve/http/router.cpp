#include "serve/http/router.hpp"

#include <charconv>
#include <new>

#include "base/format.hpp"
#include "serve/codec/compress.hpp"
#include "serve/codec/metadata.hpp"

namespace slipway::serve {
namespace {

constexpr size_t kMaxPathParts = 8;
/// What a client that found a queue full is asked to wait.
constexpr std::chrono::seconds kRetryAfter{1};

int status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::not_found:
      return 404;
    case ErrorCode::limit:
      return 413;
    case ErrorCode::unsupported:
      return 501;
    case ErrorCode::unavailable:
    case ErrorCode::deadline:
    case ErrorCode::cancelled:
      return 503;
    case ErrorCode::internal:
    case ErrorCode::invalid_model:
    case ErrorCode::io:
      return 500;
    default:
      return 400;
  }
}

Error no_model(std::string_view name, std::string_view version) {
  return fail(ErrorCode::not_found, "no model '{}'{}{} is loaded; POST /v2/repository/index lists what there is", name,
              version.empty() ? "" : " of version ", version);
}

Reply json_reply(std::string body) {
  Reply reply;
  reply.body = std::move(body);
  return reply;
}

Reply health_reply(bool good) {
  Reply reply;
  reply.status = good ? 200 : 400;
  return reply;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 32);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/// The parts of a path between slashes, percent-decoded, without the query.
Result<std::vector<std::string>> split(std::string_view target) {
  target = target.substr(0, target.find('?'));
  std::vector<std::string> out;
  for (size_t i = 0; i < target.size(); ++i) {
    if (target[i] == '/') {
      if (out.size() == kMaxPathParts) return fail(ErrorCode::not_found, "there is nothing at {}", target);
      out.emplace_back();
      continue;
    }
    if (out.empty()) return Error(ErrorCode::invalid_argument, "the path must start with a slash");
    if (target[i] != '%') {
      out.back() += target[i];
      continue;
    }
    const int high = i + 2 < target.size() ? hex_digit(target[i + 1]) : -1;
    const int low = high >= 0 ? hex_digit(target[i + 2]) : -1;
    if (low < 0) return Error(ErrorCode::invalid_argument, "the path has a % that two hexadecimal digits do not follow");
    out.back() += static_cast<char>(high * 16 + low);
    i += 2;
  }
  if (!out.empty() && out.back().empty()) out.pop_back();
  return out;
}

/// A 405 unless the method is the one that the path takes.
std::optional<Reply> wrong_method(const Request& request, std::string_view allowed) {
  if (request.method == allowed) return std::nullopt;
  Reply reply = error_reply(405, fmt::format("{} takes {}, not {}", request.target, allowed, request.method));
  reply.allow = allowed;
  return reply;
}

bool is_infer(const std::vector<std::string>& path) {
  return path.size() >= 4 && path[0] == "v2" && path[1] == "models" && path.back() == "infer" &&
         (path.size() == 4 || (path.size() == 6 && path[3] == "versions"));
}

bool is_control(const std::vector<std::string>& path) {
  return path.size() == 5 && path[0] == "v2" && path[1] == "repository" && path[2] == "models" &&
         (path[4] == "load" || path[4] == "unload");
}

std::string_view state_name(ModelState state) {
  switch (state) {
    case ModelState::ready:
      return "READY";
    case ModelState::loading:
      return "LOADING";
    case ModelState::unavailable:
      break;
  }
  return "UNAVAILABLE";
}

std::optional<Encoding> encoding_of(std::string_view name) {
  if (name == "gzip" || name == "x-gzip") return Encoding::gzip;
  if (name == "deflate") return Encoding::deflate;
  return std::nullopt;
}

/// The first encoding of an Accept-Encoding header that this server speaks and that is not refused by q=0.
std::string_view accepted_encoding(std::string_view header) {
  while (!header.empty()) {
    std::string_view item = header.substr(0, header.find(','));
    header.remove_prefix(std::min(header.size(), item.size() + 1));
    std::string_view name = item.substr(0, item.find(';'));
    const std::string_view weight = item.substr(name.size());
    while (!name.empty() && name.front() == ' ') name.remove_prefix(1);
    while (!name.empty() && name.back() == ' ') name.remove_suffix(1);
    const size_t q = weight.find("q=0");
    const bool refused = q != std::string_view::npos && weight.find_first_of("123456789", q + 3) == std::string_view::npos;
    if (!refused && encoding_of(name)) return name;
  }
  return {};
}

Result<std::optional<size_t>> json_bytes_of(const Request& request) {
  if (!request.json_bytes) return std::optional<size_t>();
  size_t value = 0;
  const char* end = request.json_bytes->data() + request.json_bytes->size();
  const auto [stop, fault] = std::from_chars(request.json_bytes->data(), end, value);
  if (fault != std::errc() || stop != end)
    return fail(ErrorCode::invalid_argument, "Inference-Header-Content-Length must be a number of bytes");
  return std::optional<size_t>(value);
}

Result<InferRequest> read_infer(Request& request, const ModelSpec& model) {
  if (!request.content_encoding.empty() && request.content_encoding != "identity") {
    const std::optional<Encoding> encoding = encoding_of(request.content_encoding);
    if (!encoding)
      return fail(ErrorCode::invalid_argument, "Content-Encoding '{}' is unknown; gzip and deflate are taken",
                  request.content_encoding);
    if (request.memory) TRY(request.memory->grow(kMaxBodyBytes));
    request.body = TRY(decompress(request.body, *encoding, kMaxBodyBytes));
    if (request.memory) request.memory->shrink(kMaxBodyBytes - request.body.size());
  }
  return parse_infer(request.body, TRY(json_bytes_of(request)), model, request.memory.get());
}

Reply infer_reply(Result<InferReply> result, std::string_view accept_encoding) {
  if (!result) return error_reply(result.error());
  Reply reply;
  reply.body = std::move(result->body);
  reply.json_bytes = result->json_bytes;
  if (reply.json_bytes) reply.content_type = "application/octet-stream";
  const std::string_view name = accepted_encoding(accept_encoding);
  if (name.empty()) return reply;
  Result<std::string> packed = compress(reply.body, *encoding_of(name));
  if (!packed) return error_reply(packed.error());
  reply.body = std::move(packed).value();
  reply.content_encoding = name;
  return reply;
}

}  // namespace

Reply error_reply(int status, std::string_view text) {
  Reply reply;
  reply.status = status;
  reply.body = render_error(text);
  return reply;
}

Reply error_reply(const Error& error) {
  Reply reply = error_reply(status_of(error.code), error.text());
  if (error.code == ErrorCode::unavailable) reply.retry_after = kRetryAfter;
  return reply;
}

void Router::handle(Request request, Responder respond) const {
  try {
    Result<std::vector<std::string>> path = split(request.target);
    if (!path) return respond(error_reply(path.error()));
    if (is_control(*path)) return control(request, (*path)[3], (*path)[4] == "load", respond);
    if (!is_infer(*path)) {
      Result<Reply> reply = answer(request, *path);
      return respond(reply ? std::move(reply).value() : error_reply(reply.error()));
    }
    const std::string_view version = path->size() == 6 ? std::string_view((*path)[4]) : std::string_view();
    const std::shared_ptr<const Model> model = repository_.find((*path)[2], version);
    if (model == nullptr) {
      return respond(error_reply(no_model((*path)[2], version)));
    }
    if (std::optional<Reply> wrong = wrong_method(request, "POST")) return respond(std::move(*wrong));
    infer(std::move(request), *model, respond);
  } catch (const std::bad_alloc&) {
    respond(error_reply(Error(ErrorCode::unavailable, "there is not enough memory for this request")));
  }
}

void Router::infer(Request request, const Model& model, Responder respond) const {
  const auto started = std::chrono::steady_clock::now();
  Result<InferRequest> read = read_infer(request, model.spec());
  if (!read) {
    model.queue().refused(read.error().code == ErrorCode::unavailable ? FailureReason::rejected : FailureReason::other);
    return respond(error_reply(read.error()));
  }
  Job job;
  job.request = std::move(read).value();
  job.abandoned = std::move(request.abandoned);
  const auto elapsed = std::chrono::steady_clock::now() - started;
  job.input_ns = static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(elapsed).count());
  job.done = [respond, accept = request.accept_encoding](Result<InferReply> result) {
    respond(infer_reply(std::move(result), accept));
  };
  const Status pushed = model.queue().push(std::move(job));
  if (!pushed) respond(error_reply(pushed.error()));
}

void Router::handle_metrics(const Request& request, const Responder& respond) const {
  if (request.target.substr(0, request.target.find('?')) != "/metrics")
    return respond(error_reply(404, "this port has /metrics only"));
  if (std::optional<Reply> wrong = wrong_method(request, "GET")) return respond(std::move(*wrong));
  Reply reply;
  reply.body = metrics_.text();
  reply.content_type = "text/plain; version=0.0.4; charset=utf-8";
  respond(std::move(reply));
}

Result<Reply> Router::answer(const Request& request, const std::vector<std::string>& path) const {
  const auto is = [&](std::initializer_list<std::string_view> parts) {
    return std::equal(path.begin(), path.end(), parts.begin(), parts.end());
  };
  if (is({"v2", "repository", "index"})) return answer_index(request);
  if (path.size() >= 4 && path[0] == "v2" && path[1] == "repository")
    return fail(ErrorCode::unsupported, "this server has one model repository, and no name for it; see /v2/repository/index");
  if (is({"v2", "models", "stats"})) return answer_all_statistics(request);
  if (path.size() >= 3 && path[0] == "v2" && path[1] == "models") return answer_model(request, path);
  const bool live = is({"v2", "health", "live"}), ready = is({"v2", "health", "ready"}), server = is({"v2"}),
             metrics = is({"metrics"});
  if (!live && !ready && !server && !metrics) return fail(ErrorCode::not_found, "there is nothing at {}", request.target);
  if (std::optional<Reply> wrong = wrong_method(request, "GET")) return std::move(*wrong);
  if (live) return health_reply(true);
  if (ready) return health_reply(!draining_);
  if (server) return json_reply(render_server(options_.version));
  Reply reply;
  handle_metrics(request, [&](Reply r) { reply = std::move(r); });
  return reply;
}

Result<Reply> Router::answer_index(const Request& request) const {
  if (std::optional<Reply> wrong = wrong_method(request, "POST")) return std::move(*wrong);
  const bool ready_only = TRY(parse_index_request(request.body));
  const std::vector<IndexEntry> entries = TRY(repository_.index());
  std::vector<IndexLine> lines;
  for (const IndexEntry& entry : entries) {
    if (ready_only && entry.state != ModelState::ready) continue;
    lines.push_back({entry.name, entry.version, state_name(entry.state), entry.reason});
  }
  return json_reply(render_index(lines));
}

void Router::control(const Request& request, const std::string& model, bool load, const Responder& respond) const {
  if (std::optional<Reply> wrong = wrong_method(request, "POST")) return respond(std::move(*wrong));
  if (!options_.model_control) {
    return respond(error_reply(
        400, "models are loaded at the start only; start the server with --model-control-mode explicit to load and unload them"));
  }
  const Status good = check_control_request(request.body);
  if (!good) return respond(error_reply(good.error()));
  auto done = [respond](const Status& status) { respond(status ? Reply() : error_reply(status.error())); };
  if (load) {
    repository_.request_load(model, std::move(done));
  } else {
    repository_.request_unload(model, std::move(done));
  }
}

Result<Reply> Router::answer_all_statistics(const Request& request) const {
  if (std::optional<Reply> wrong = wrong_method(request, "GET")) return std::move(*wrong);
  std::vector<NamedStatistics> all;
  const auto models = repository_.loaded();
  for (const auto& model : models) all.push_back({&model->spec(), model->queue().statistics()});
  return json_reply(render_statistics(all));
}

Result<Reply> Router::answer_model(const Request& request, const std::vector<std::string>& path) const {
  const bool versioned = path.size() >= 5 && path[3] == "versions";
  const size_t tail = versioned ? 5 : 3;
  const std::string_view what = path.size() > tail ? std::string_view(path[tail]) : std::string_view();
  const bool known = what.empty() || what == "ready" || what == "config" || what == "stats";
  if (path.size() > tail + 1 || !known) return fail(ErrorCode::not_found, "there is nothing at {}", request.target);
  const std::shared_ptr<const Model> model =
      repository_.find(path[2], versioned ? std::string_view(path[4]) : std::string_view());
  if (model == nullptr) {
    if (what == "ready") return health_reply(false);
    return no_model(path[2], versioned ? std::string_view(path[4]) : std::string_view());
  }
  if (std::optional<Reply> wrong = wrong_method(request, "GET")) return std::move(*wrong);
  if (what == "ready") return json_reply(render_ready(model->spec().name));
  if (what == "config") return json_reply(render_config(model->spec(), model->queue().sessions()));
  if (what == "stats") {
    const NamedStatistics one{&model->spec(), model->queue().statistics()};
    return json_reply(render_statistics(std::span(&one, 1)));
  }
  return json_reply(render_model(model->spec()));
}

}  // namespace slipway::serve
