#include "base/temporary_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "base/format.hpp"

namespace slipway {

Result<TemporaryFile> TemporaryFile::make(const std::string& beside) {
  std::string name = beside + ".XXXXXX";
  const int fd = mkostemp(name.data(), O_CLOEXEC);
  if (fd < 0) return fail(ErrorCode::io, "{}: cannot be created: {}", beside, std::strerror(errno));
  return TemporaryFile(fd, std::move(name));
}

TemporaryFile::TemporaryFile(TemporaryFile&& o) noexcept : fd_(std::exchange(o.fd_, -1)), name_(std::move(o.name_)) {}

TemporaryFile::~TemporaryFile() {
  if (fd_ < 0) return;
  close(fd_);
  unlink(name_.c_str());
}

Status TemporaryFile::write(const void* data, size_t bytes, uint64_t offset) {
  const auto* at = static_cast<const std::byte*>(data);
  while (bytes > 0) {
    const ssize_t done = pwrite(fd_, at, bytes, static_cast<off_t>(offset));
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return fail(ErrorCode::io, "{}: cannot be written: {}", name_, std::strerror(errno));
    at += done;
    offset += static_cast<uint64_t>(done);
    bytes -= static_cast<size_t>(done);
  }
  return {};
}

Status TemporaryFile::keep(const std::string& path) {
  fchmod(fd_, 0644);
  if (fsync(fd_) != 0 || std::rename(name_.c_str(), path.c_str()) != 0) {
    return fail(ErrorCode::io, "{}: cannot be written: {}", path, std::strerror(errno));
  }
  close(std::exchange(fd_, -1));
  return {};
}

Status write_file(const std::string& path, std::string_view text) {
  TemporaryFile file = TRY(TemporaryFile::make(path));
  TRY(file.write(text.data(), text.size(), 0));
  return file.keep(path);
}

}  // namespace slipway
