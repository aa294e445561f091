// slipway's C++ API: headers alone over slipway.h, so any compiler and standard library goes with the shared library.
// Errors are Result values; only std::bad_alloc may be thrown. The inline namespace keeps these types apart from the library's
// own.
#pragma once

#include <slipway/slipway.h>
#include <slipway/result.hpp>
#include <slipway/tensor.hpp>

#include <chrono>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace slipway {
inline namespace v0 {

namespace detail {

inline Error last_error(slipway_status status) {
  return {status, slipway_last_error()};
}
inline Status checked(slipway_status status) {
  return status == SLIPWAY_OK ? Status() : Status(last_error(status));
}

}  // namespace detail

/// How an Engine is made; each has a sensible default.
struct Options {
  std::string isa;  ///< "portable", "avx2", "avx512", "avx512_vnni", "avx512_bf16"; empty: the best of this CPU
  int threads = 0;  ///< 0: every CPU that the process may use
  bool deterministic = true;
  bool passes = true;           ///< false: run the graph as imported
  bool verify_weights = false;  ///< check every weight section of an engine file
  std::vector<std::string> skipped_passes;
};

/// One input or output of a model.
struct Port {
  std::string_view name;
  std::string_view text;  ///< "f32[batch,3,224,224]"
  ElementType type;       ///< SLIPWAY_UNDEFINED: not a tensor
  bool any_rank;
  std::span<const int64_t> dims;  ///< -1: any extent
};

/// Ends runs from another thread. Copies share one flag.
class Cancellation {
 public:
  Cancellation() : flag_(slipway_cancel_create(), slipway_cancel_destroy) {
    if (flag_ == nullptr) throw std::bad_alloc();
  }
  void request() const { slipway_cancel_request(flag_.get()); }
  void reset() const { slipway_cancel_reset(flag_.get()); }
  const slipway_cancel* c() const { return flag_.get(); }

 private:
  std::shared_ptr<slipway_cancel> flag_;
};

struct RunOptions {
  std::chrono::microseconds timeout{0};  ///< 0: none
  std::optional<Cancellation> cancellation;
};

/// A model made ready for this machine. Thread-safe; copies share it.
class Engine {
 public:
  /// A model (ONNX) or an engine file, told apart by content.
  static Result<Engine> load(const std::string& path, const Options& options = {}) {
    return make(options, [&](const slipway_options* o, slipway_engine** e) { return slipway_engine_load(path.c_str(), o, e); });
  }
  /// The same from memory. With an owner the bytes are used in place and the owner is kept; without they are copied.
  static Result<Engine> load(std::span<const std::byte> bytes, std::shared_ptr<const void> owner = nullptr,
                             const Options& options = {}) {
    using Owner = std::shared_ptr<const void>;
    auto kept = owner == nullptr ? nullptr : std::make_unique<Owner>(std::move(owner));
    return make(options, [&](const slipway_options* o, slipway_engine** e) {
      const auto release = kept == nullptr ? nullptr : +[](void* user) { delete static_cast<Owner*>(user); };
      return slipway_engine_load_memory(bytes.data(), bytes.size(), release, kept.release(), o, e);
    });
  }
  /// Writes an engine file.
  Status save(const std::string& path) const { return detail::checked(slipway_engine_save(c(), path.c_str())); }

  std::vector<Port> inputs() const { return ports(slipway_engine_input_count(c()), slipway_engine_input); }
  std::vector<Port> outputs() const { return ports(slipway_engine_output_count(c()), slipway_engine_output); }
  /// The position of a name, -1 when there is none.
  ptrdiff_t find_input(const std::string& name) const { return slipway_engine_find_input(c(), name.c_str()); }
  ptrdiff_t find_output(const std::string& name) const { return slipway_engine_find_output(c(), name.c_str()); }
  /// The model's own key-value pairs.
  std::map<std::string, std::string> metadata() const {
    std::map<std::string, std::string> out;
    const char *key = nullptr, *value = nullptr;
    for (size_t i = 0; slipway_engine_metadata_at(c(), i, &key, &value) == SLIPWAY_OK; ++i) out.emplace(key, value);
    return out;
  }
  std::optional<std::string_view> metadata(const std::string& key) const {
    const char* value = slipway_engine_metadata(c(), key.c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string_view>(value);
  }
  const slipway_engine* c() const { return handle_.get(); }

 private:
  explicit Engine(slipway_engine* handle) : handle_(handle, slipway_engine_destroy) {}

  template <class Load>
  static Result<Engine> make(const Options& options, const Load& load) {
    const std::unique_ptr<slipway_options, void (*)(slipway_options*)> o(slipway_options_create(), slipway_options_destroy);
    if (o == nullptr) throw std::bad_alloc();
    const auto set = [&](const char* key, const std::string& value) { return slipway_options_set(o.get(), key, value.c_str()); };
    const auto word = [](bool on) { return std::string(on ? "on" : "off"); };
    slipway_status status = options.isa.empty() ? SLIPWAY_OK : set("isa", options.isa);
    if (status == SLIPWAY_OK) status = set("threads", std::to_string(options.threads));
    if (status == SLIPWAY_OK) status = set("deterministic", word(options.deterministic));
    if (status == SLIPWAY_OK) status = set("passes", word(options.passes));
    if (status == SLIPWAY_OK) status = set("verify_weights", word(options.verify_weights));
    for (size_t i = 0; status == SLIPWAY_OK && i < options.skipped_passes.size(); ++i)
      status = set("skip_pass", options.skipped_passes[i]);
    slipway_engine* engine = nullptr;
    if (status == SLIPWAY_OK) status = load(o.get(), &engine);
    if (status != SLIPWAY_OK) return detail::last_error(status);
    return Engine(engine);
  }

  template <class Read>
  std::vector<Port> ports(size_t count, const Read& read) const {
    std::vector<Port> out;
    for (size_t i = 0; i < count; ++i) {
      const slipway_port* p = read(c(), i);
      out.push_back({p->name, p->text, p->type, p->rank < 0, {p->dims, static_cast<size_t>(p->rank < 0 ? 0 : p->rank)}});
    }
    return out;
  }

  std::shared_ptr<slipway_engine> handle_;
};

using NamedTensors = std::map<std::string, TensorView>;
/// Runs a task now or later, on any thread.
using Executor = std::function<void(std::function<void()>)>;

/// One caller's handle on an Engine, used by one thread at a time. It keeps the engine.
class Session {
 public:
  /// threads 0: as many as the engine was made for.
  static Result<Session> make(const Engine& engine, int threads = 0) {
    slipway_session* session = nullptr;
    const slipway_status status = slipway_session_create(engine.c(), threads, &session);
    if (status != SLIPWAY_OK) return detail::last_error(status);
    return Session(engine, session);
  }

  /// Inputs in the engine's order, any shapes that it declares. Gives all outputs, in memory of the session: good until its next
  /// run.
  Result<std::vector<TensorView>> run(std::span<const TensorView> inputs, const RunOptions& options = {}) {
    std::vector<TensorView> outputs(slipway_engine_output_count(engine_.c()));
    const Status status = run_into(inputs, outputs, options);
    if (!status) return status.error();
    return outputs;
  }

  /// The same into the caller's buffers: an output with memory is written there (no copy when its type and shape fit exactly; an
  /// error when it is too small), one without gets memory of the session. On return each tells its shape.
  Status run_into(std::span<const TensorView> inputs, std::span<TensorView> outputs, const RunOptions& options = {}) {
    std::vector<slipway_tensor> in, out;
    for (const TensorView& t : inputs) in.push_back(t.c());
    for (const TensorView& t : outputs) out.push_back(t.c());
    const slipway_run_options run_options{options.timeout.count(), options.cancellation ? options.cancellation->c() : nullptr};
    const slipway_status status = slipway_session_run(handle_.get(), in.data(), in.size(), out.data(), out.size(), &run_options);
    if (status != SLIPWAY_OK) return detail::last_error(status);
    for (size_t i = 0; i < out.size(); ++i) outputs[i] = TensorView(out[i]);
    return {};
  }

  /// Inputs and outputs by name.
  Result<NamedTensors> run(const NamedTensors& inputs, const RunOptions& options = {}) {
    std::vector<TensorView> in(slipway_engine_input_count(engine_.c()));
    for (const auto& [name, tensor] : inputs) {
      const ptrdiff_t at = engine_.find_input(name);
      if (at < 0) return Error{SLIPWAY_NOT_FOUND, "the model has no input '" + name + "'"};
      in[static_cast<size_t>(at)] = tensor;
    }
    for (size_t i = 0; i < in.size(); ++i) {
      const std::string name = slipway_engine_input(engine_.c(), i)->name;
      if (inputs.count(name) == 0) return Error{SLIPWAY_INVALID_ARGUMENT, "the input '" + name + "' is missing"};
    }
    const Result<std::vector<TensorView>> out = run(in, options);
    if (!out) return out.error();
    NamedTensors named;
    for (size_t i = 0; i < out->size(); ++i) named.emplace(slipway_engine_output(engine_.c(), i)->name, (*out)[i]);
    return named;
  }

  /// Runs on the caller's executor and then calls `done` there. The session and the inputs' memory must stay until `done` is
  /// called, and the session must not be used meanwhile.
  void run_async(std::vector<TensorView> inputs, const Executor& executor,
                 std::function<void(Result<std::vector<TensorView>>)> done, RunOptions options = {}) {
    executor([this, in = std::move(inputs), finished = std::move(done), run_options = std::move(options)] {
      finished(run(in, run_options));
    });
  }

  /// Bytes of working memory after the latest run.
  size_t arena_bytes() const { return slipway_session_arena_bytes(handle_.get()); }
  const Engine& engine() const { return engine_; }

 private:
  Session(Engine engine, slipway_session* handle) : engine_(std::move(engine)), handle_(handle, slipway_session_destroy) {}

  Engine engine_;
  std::unique_ptr<slipway_session, void (*)(slipway_session*)> handle_;
};

using LogFunction = std::function<void(slipway_log_level, std::string_view)>;

/// Sends the library's log lines to `function` (empty: to nobody), for the whole process. It is called from any thread, several
/// at a time. What was set is never freed: another thread may still be calling it.
inline Status set_log(LogFunction function, slipway_log_level least = SLIPWAY_LOG_INFO) {
  if (!function) return detail::checked(slipway_set_log(nullptr, least, nullptr));
  static std::mutex mutex;
  static auto& all = *new std::list<LogFunction>;
  const std::lock_guard lock(mutex);
  LogFunction* kept = &all.emplace_back(std::move(function));
  return detail::checked(slipway_set_log(
      [](slipway_log_level level, const char* text, void* user) { (*static_cast<LogFunction*>(user))(level, text); }, least,
      kept));
}

}  // namespace v0
}  // namespace slipway
