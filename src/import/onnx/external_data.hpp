// The files beside a model that hold its large tensors. Nothing outside the model's folder is ever opened.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/mapped_file.hpp"

namespace slipway::import::onnx {

/// Where a tensor says that its bytes are.
struct ExternalPlace {
  std::string_view location;
  uint64_t offset = 0;
  std::optional<uint64_t> length;
};

/// Opens each file once. Not thread-safe.
class ExternalFiles {
 public:
  /// An empty folder: the model came from memory, so that external data is an error. `map`: map the files, else read them.
  ExternalFiles(std::string folder, bool map) : folder_(std::move(folder)), map_(map) {}

  /// Exactly `bytes` bytes at `place`; the owner of the result keeps them alive.
  struct Bytes {
    std::shared_ptr<const void> owner;
    std::string_view text;
  };
  Result<Bytes> at(const ExternalPlace& place, uint64_t bytes);

 private:
  Result<const FileBytes*> open(std::string_view location);

  std::string folder_;
  bool map_;
  std::map<std::string, FileBytes, std::less<>> files_;
};

}  // namespace slipway::import::onnx
