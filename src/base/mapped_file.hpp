// Files as bytes in memory, in one of two ways behind one type.
//
// read_file copies into private memory. The bytes never change again: what was checked stays checked, and a file that somebody
// truncates or overwrites in place later harms nobody. Everything that outlives its opening - a served model, an engine's
// weights - is read this way, and so is every file whose parser checks first and uses later.
// map_file costs no memory and no copy, but touching a page that the file no longer has raises SIGBUS, and its bytes may change
// while they are parsed. It serves one-shot commands (inspect, explain, conversion of models larger than memory), where the
// caller owns the file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace slipway {

/// Files beyond this are refused unless the caller says otherwise.
constexpr uint64_t kMaxFileBytes = uint64_t{1} << 40;

/// An open regular file, read only.
class File {
 public:
  /// Follows links; refuses anything but a regular file (a FIFO or device cannot block or flood the caller).
  static Result<File> open(const std::string& path);
  /// Opens `relative` below `folder` for a reference that comes from a model: absolute paths, "..", empty names, NUL bytes and
  /// links that lead out of the folder are refused (invalid_model), whatever happens to the tree meanwhile.
  static Result<File> open_beneath(const std::string& folder, std::string_view relative);

  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  ~File();

  int descriptor() const { return fd_; }
  uint64_t size() const { return size_; }  ///< at opening
  const std::string& path() const { return path_; }
  /// Fills `out` from `offset`; an io error when the file ends before.
  Status read(uint64_t offset, std::span<std::byte> out) const;

 private:
  File(int fd, uint64_t size, std::string path) : fd_(fd), size_(size), path_(std::move(path)) {}
  static Result<File> adopt(int fd, std::string path);

  int fd_ = -1;
  uint64_t size_ = 0;
  std::string path_;
};

/// The bytes of a file or of a part of it. Copies share. The start is aligned to a page when the part's offset is.
class FileBytes {
 public:
  FileBytes() = default;
  FileBytes(std::shared_ptr<const void> owner, const std::byte* data, size_t size, bool mapped)
      : owner_(std::move(owner)), data_(data), size_(size), mapped_(mapped) {}

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  std::string_view text() const { return {reinterpret_cast<const char*>(data_), size_}; }
  size_t size() const { return size_; }
  bool mapped() const { return mapped_; }
  /// Keeps the bytes alive: the owner for Tensors that view them.
  const std::shared_ptr<const void>& owner() const { return owner_; }
  /// Gives the whole pages inside [offset, offset + length) back; clipped to the size. Of read bytes they are gone for every
  /// sharer (they read as zero), of mapped bytes they are read again when touched.
  void release(size_t offset, size_t length) const;

 private:
  std::shared_ptr<const void> owner_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
  bool mapped_ = false;
};

/// A part of a file; `length` kToEnd means all from `offset` on.
struct FilePart {
  static constexpr uint64_t kToEnd = UINT64_MAX;
  uint64_t offset = 0;
  uint64_t length = kToEnd;
  uint64_t max_bytes = kMaxFileBytes;  ///< limit error beyond it
};

/// Private copy in page-backed memory. Errors: not_found, io, limit, invalid_model (part outside the file).
Result<FileBytes> read_file(const File& file, const FilePart& part = {});
Result<FileBytes> read_file(const std::string& path, const FilePart& part = {});
/// Read-only mapping; see the head of this file for when it may be used.
Result<FileBytes> map_file(const File& file, const FilePart& part = {});
Result<FileBytes> map_file(const std::string& path, const FilePart& part = {});

}  // namespace slipway
