// Model files become Graphs. The format is found by content, not by name.
#pragma once

#include <filesystem>
#include <memory>
#include <span>

#include "base/error.hpp"
#include "ir/graph.hpp"

namespace slipway::import {

struct ImportOptions {
  /// Map the model's files instead of reading them into private memory: less memory, but whoever truncates a mapped file kills
  /// the process (see base/mapped_file.hpp). For one-shot commands; never for a model that is served.
  bool map_files = false;
};

/// Weights are views into the file where they can be; the Graph keeps it alive. Errors name the file.
Result<ir::Graph> read(const std::filesystem::path& path, const ImportOptions& options = {});

/// A model in memory.
struct ModelBytes {
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;  ///< keeps the bytes alive for weights that view them; nullptr: weights are copied
  std::filesystem::path folder;       ///< where external data lies; empty: external data is an error
  bool disposable = false;            ///< nobody else reads `bytes`: those of weights that had to be copied are given back
};
Result<ir::Graph> read(const ModelBytes& model, const ImportOptions& options = {});

}  // namespace slipway::import
