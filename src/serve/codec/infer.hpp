// One inference in KServe v2's HTTP form: JSON, raw tensors behind it (the binary tensor data extension), or a bare tensor.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "ir/value.hpp"
#include "serve/codec/memory.hpp"
#include "serve/codec/tensor_spec.hpp"

namespace slipway::serve {

struct RequestedOutput {
  size_t index = 0;  ///< among the model's outputs
  bool binary = false;
  int64_t classes = 0;  ///< > 0: the classification extension, that many per row
};

struct InferRequest {
  std::string id;
  std::vector<ir::Value> inputs;  ///< one tensor per input of the model, in its order, of the declared type and shape
  std::vector<RequestedOutput> outputs;
  std::optional<std::chrono::microseconds> timeout;  ///< of waiting and running
};

/// What a request or reply speaks about.
struct ModelSpec {
  std::string name, version;
  std::vector<TensorSpec> inputs, outputs;
};

/// `json_bytes`: the value of Inference-Header-Content-Length; 0 means that the body is one bare tensor.
/// Errors name what was expected: invalid_argument, unsupported for shared memory, or unavailable when `memory` has no room for
/// the tensors. Null `memory`: no bound.
Result<InferRequest> parse_infer(std::string_view body, std::optional<size_t> json_bytes, const ModelSpec& model,
                                 MemoryLease* memory = nullptr);

struct InferReply {
  std::string body;
  std::optional<size_t> json_bytes;  ///< set when tensors follow the JSON
};
/// `results`: one per output of the model.
Result<InferReply> render_infer(const InferRequest& request, const ModelSpec& model, std::span<const ir::Value> results);

}  // namespace slipway::serve
