// TensorProto and SparseTensorProto messages become Tensors: views where the bytes allow it, else copies.
#pragma once

#include <memory>

#include "base/tensor.hpp"
#include "import/onnx/external_data.hpp"
#include "import/onnx/wire.hpp"

namespace slipway::import::onnx {

/// Who keeps the bytes alive, where external data is found, and what sparse tensors have taken so far.
struct TensorSource {
  std::shared_ptr<const void> owner;
  ExternalFiles* external = nullptr;  ///< nullptr: external data is refused
  int64_t expanded_bytes = 0;
  bool disposable = false;  ///< the messages are memory that nobody reads again: pages of what is copied are given back
};

/// A dense tensor. The bytes stay where they are when aligned to the element; string, misaligned and varint-coded ones are
/// copied. Checked: type, rank, extents, byte count. Throws protozero::exception.
Result<Tensor> load_tensor(Text message, TensorSource& source);
/// A sparse tensor (COO), made dense. Throws protozero::exception.
Result<Tensor> load_sparse_tensor(Text message, TensorSource& source);

}  // namespace slipway::import::onnx
