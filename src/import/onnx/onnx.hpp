// ONNX models become Graphs in the newest operator set.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "base/error.hpp"
#include "ir/graph.hpp"

namespace slipway::import::onnx {

struct Input {
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;  ///< keeps the bytes alive; nullptr: weights are copied
  std::string folder;                 ///< of external data; empty: there can be none
  bool map_files = false;             ///< external data is mapped rather than read
  bool disposable = false;            ///< `bytes` are memory that nobody else reads: weights that are copied leave it
};

/// The whole model or one error that lists everything that keeps it from being imported.
Result<ir::Graph> read(const Input& input);

}  // namespace slipway::import::onnx
