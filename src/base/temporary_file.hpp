// A file in the making: readers of the final name see the old file or the whole new one, never half of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace slipway {

/// Removed again unless keep() was called.
class TemporaryFile {
 public:
  /// Creates it in the folder of `beside`. Errors: io.
  static Result<TemporaryFile> make(const std::string& beside);
  TemporaryFile(TemporaryFile&& o) noexcept;
  TemporaryFile& operator=(TemporaryFile&&) = delete;
  ~TemporaryFile();

  Status write(const void* data, size_t bytes, uint64_t offset);
  /// Flushes it to the disk and gives it its name.
  Status keep(const std::string& path);

 private:
  TemporaryFile(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}
  int fd_;
  std::string name_;
};

/// The whole of a small file at once.
Status write_file(const std::string& path, std::string_view text);

}  // namespace slipway
