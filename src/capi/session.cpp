// Sessions and cancellation: tensors of the caller in, tensors of the caller or the session out.
#include <algorithm>
#include <chrono>
#include <cstring>

#include "base/format.hpp"
#include "capi/handles.hpp"

namespace slipway::capi {
namespace {

/// Largest tensor that a caller may describe, in elements.
constexpr int64_t kMaxElements = int64_t{1} << 48;

size_t element_alignment(ElementType type) {
  if (type == ElementType::c64) return 4;
  if (type == ElementType::c128) return 8;
  return static_cast<size_t>(std::max(1, bits(type) / 8));
}

bool aligned(const slipway_tensor& tensor, ElementType type) {
  return reinterpret_cast<uintptr_t>(tensor.data) % element_alignment(type) == 0;
}

std::shared_ptr<const void> borrowed(const void* data) {
  return {data, [](const void*) {}};
}

Result<Tensor> read_input(const slipway_tensor& given, const char* name) {
  if (given.type <= SLIPWAY_UNDEFINED || given.type > SLIPWAY_I2) {
    return fail(ErrorCode::invalid_argument, "input '{}': there is no element type {}", name, static_cast<int>(given.type));
  }
  if (given.rank < 0 || given.rank > kMaxRank) {
    return fail(ErrorCode::invalid_argument, "input '{}': its rank {} is outside 0..{}", name, given.rank, kMaxRank);
  }
  const Dims dims(std::span(given.dims, static_cast<size_t>(given.rank)));
  const int64_t count = checked_count(std::span(given.dims, static_cast<size_t>(given.rank)), kMaxElements);
  if (count < 0) return fail(ErrorCode::invalid_argument, "input '{}': a shape of {} cannot be", name, to_string(dims));
  const auto type = static_cast<ElementType>(given.type);
  const size_t bytes = type == ElementType::string ? static_cast<size_t>(count) * sizeof(char*) : byte_size(type, count);
  if (given.bytes < bytes || (given.data == nullptr && bytes != 0)) {
    return fail(ErrorCode::invalid_argument, "input '{}': {} of {} takes {} bytes, given were {}", name, slipway::name(type),
                to_string(dims), bytes, given.data == nullptr ? 0 : given.bytes);
  }
  if (type == ElementType::string) {
    Tensor out(type, dims);
    for (int64_t i = 0; i < count; ++i) out.as<std::string>()[i] = static_cast<const char* const*>(given.data)[i];
    return out;
  }
  if (given.data != nullptr && aligned(given, type)) return Tensor(type, dims, borrowed(given.data), given.data);
  Tensor out(type, dims);
  if (bytes != 0) std::memcpy(out.data(), given.data, bytes);
  return out;
}

/// The caller's buffer as the place for an output when it is described in full, else nothing.
ir::Value offered(const slipway_tensor& out) {
  if (out.data == nullptr || out.type <= SLIPWAY_UNDEFINED || out.type > SLIPWAY_I2 || out.type == SLIPWAY_STRING) return {};
  if (out.rank < 0 || out.rank > kMaxRank) return {};
  const std::span extents(out.dims, static_cast<size_t>(out.rank));
  const auto type = static_cast<ElementType>(out.type);
  const int64_t count = checked_count(extents, kMaxElements);
  if (count < 0 || byte_size(type, count) > out.bytes || !aligned(out, type)) return {};
  return Tensor(type, Dims(extents), borrowed(out.data), out.data);
}

Status write_output(const ir::Value& value, const char* name, std::vector<const char*>& strings, slipway_tensor& out) {
  const Tensor* tensor = value.tensor();
  if (tensor == nullptr) return fail(ErrorCode::unsupported, "output '{}' is no tensor; only tensors pass this API", name);
  const void* data = tensor->data();
  size_t bytes = tensor->bytes();
  if (tensor->type() == ElementType::string) {
    strings.clear();
    for (int64_t i = 0; i < tensor->count(); ++i) strings.push_back(tensor->as<std::string>()[i].c_str());
    data = strings.data();
    bytes = strings.size() * sizeof(char*);
  }
  if (out.data == nullptr) {
    out.data = const_cast<void*>(data);
  } else if (out.data != data) {
    if (bytes > out.bytes) {
      return fail(ErrorCode::limit, "output '{}' takes {} bytes, the buffer given has {}", name, bytes, out.bytes);
    }
    if (bytes != 0) std::memcpy(out.data, data, bytes);
  }
  out.bytes = bytes;
  out.type = static_cast<slipway_type>(tensor->type());
  out.rank = tensor->dims().rank();
  std::copy(tensor->dims().begin(), tensor->dims().end(), out.dims);
  return {};
}

Status run(slipway_session& s, std::span<const slipway_tensor> inputs, std::span<slipway_tensor> outputs,
           const slipway_run_options* options) {
  const auto& in = s.engine->inputs();
  const auto& out = s.engine->outputs();
  if (inputs.size() != in.size() || outputs.size() != out.size()) {
    return fail(ErrorCode::invalid_argument, "the model takes {} inputs and makes {} outputs, given were {} and {}", in.size(),
                out.size(), inputs.size(), outputs.size());
  }
  runtime::RunOptions run_options;
  if (options != nullptr) {
    if (options->timeout_us > 0) {
      run_options.deadline = std::chrono::steady_clock::now() + std::chrono::microseconds(options->timeout_us);
    }
    if (options->cancel != nullptr) run_options.cancel = &options->cancel->requested;
  }
  s.inputs.clear();
  s.outputs.clear();
  for (size_t i = 0; i < in.size(); ++i) s.inputs.emplace_back(TRY(read_input(inputs[i], in[i].name.c_str())));
  for (const slipway_tensor& tensor : outputs) s.outputs.push_back(offered(tensor));
  const Status done = s.session->run(s.inputs, s.outputs, run_options);
  s.inputs.clear();
  TRY(done);
  s.strings.resize(out.size());
  for (size_t i = 0; i < out.size(); ++i) TRY(write_output(s.outputs[i], out[i].name.c_str(), s.strings[i], outputs[i]));
  return {};
}

}  // namespace
}  // namespace slipway::capi

using slipway::Status;
using slipway::capi::guard;

extern "C" {

slipway_status slipway_session_create(const slipway_engine* engine, int32_t threads, slipway_session** session) noexcept {
  *session = nullptr;
  return guard([&]() -> Status {
    auto made = std::make_unique<slipway_session>();
    made->engine = engine->engine;
    made->session = engine->engine->session(threads);
    *session = made.release();
    return {};
  });
}

void slipway_session_destroy(slipway_session* session) noexcept {
  delete session;
}

slipway_status slipway_session_run(slipway_session* session, const slipway_tensor* inputs, size_t input_count,
                                   slipway_tensor* outputs, size_t output_count, const slipway_run_options* options) noexcept {
  return guard([&] { return slipway::capi::run(*session, {inputs, input_count}, {outputs, output_count}, options); });
}

size_t slipway_session_arena_bytes(const slipway_session* session) noexcept {
  return session->session->arena_bytes();
}

slipway_cancel* slipway_cancel_create(void) noexcept {
  return new (std::nothrow) slipway_cancel();
}
void slipway_cancel_destroy(slipway_cancel* cancel) noexcept {
  delete cancel;
}
void slipway_cancel_request(slipway_cancel* cancel) noexcept {
  cancel->requested.store(true, std::memory_order_relaxed);
}
void slipway_cancel_reset(slipway_cancel* cancel) noexcept {
  cancel->requested.store(false, std::memory_order_relaxed);
}
}
