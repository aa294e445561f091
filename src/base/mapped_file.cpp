#include "base/mapped_file.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "base/format.hpp"
#include "base/pages.hpp"
#include "base/thread_pool.hpp"

namespace slipway {
namespace {

constexpr size_t kMaxRelativePath = 4096;
constexpr size_t kMaxComponents = 128;
/// A file is read in chunks of this size, so that a page is filled while it is still in the cache that cleared it; from a few
/// chunks on by several threads: clearing and copying take one core longer than the memory needs.
constexpr size_t kChunk = size_t{2} << 20, kSharedFrom = 4 * kChunk;
/// O_NONBLOCK: opening a FIFO must not wait for a writer; it has no effect on regular files.
constexpr int kOpenFlags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;

Error os_error(int code, std::string_view what, const std::string& path) {
  const ErrorCode kind = code == ENOENT || code == ENOTDIR ? ErrorCode::not_found : ErrorCode::io;
  return fail(kind, "cannot {} '{}': {}", what, path, std::strerror(code));
}

int retry_open(int folder, const char* path, int flags) {
  int fd = -1;
  do fd = openat(folder, path, flags);
  while (fd < 0 && errno == EINTR);
  return fd;
}

/// The components of a reference from a model, or why it is refused.
Result<std::vector<std::string>> split_reference(std::string_view relative) {
  const auto refuse = [&](std::string_view why) {
    return fail(ErrorCode::invalid_model, "the model refers to file '{}', which {}; external files must lie beside the model",
                relative.substr(0, 200), why);
  };
  if (relative.empty() || relative.size() > kMaxRelativePath) return refuse("is empty or too long");
  if (relative.find('\0') != std::string_view::npos) return refuse("contains a zero byte");
  if (relative.front() == '/') return refuse("is an absolute path");
  std::vector<std::string> parts;
  while (!relative.empty()) {
    const size_t slash = std::min(relative.find('/'), relative.size());
    const std::string_view part = relative.substr(0, slash);
    relative.remove_prefix(std::min(slash + 1, relative.size()));
    if (part == "..") return refuse("leads out of the model's folder");
    if (!part.empty() && part != ".") parts.emplace_back(part);
    if (parts.size() > kMaxComponents) return refuse("has too many folders");
  }
  if (parts.empty()) return refuse("names no file");
  return parts;
}

std::string join(const std::vector<std::string>& parts) {
  std::string out;
  for (const std::string& part : parts) out += (out.empty() ? "" : "/") + part;
  return out;
}

/// -1 with errno; ENOSYS where the kernel has no openat2 (or a sandbox hides it).
int open_resolved(int folder, const std::string& relative) {
  open_how how{};
  how.flags = static_cast<uint64_t>(kOpenFlags);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  long fd = -1;
  do fd = syscall(SYS_openat2, folder, relative.c_str(), &how, sizeof how);
  while (fd < 0 && (errno == EINTR || errno == EAGAIN));
  return static_cast<int>(fd);
}

/// The same without openat2: one component at a time, refusing every link.
int open_stepwise(int folder, const std::vector<std::string>& parts) {
  int at = dup(folder);
  for (size_t i = 0; i < parts.size() && at >= 0; ++i) {
    const int flags = i + 1 == parts.size() ? kOpenFlags | O_NOFOLLOW : O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    const int next = retry_open(at, parts[i].c_str(), flags);
    const int error = errno;
    close(at);
    at = next;
    errno = error;
  }
  return at;
}

/// A part checked against the file: offset and length that lie inside, the length representable and within its limit.
Result<FilePart> check(const File& file, FilePart part) {
  if (part.offset > file.size() || (part.length != FilePart::kToEnd && part.length > file.size() - part.offset)) {
    return fail(ErrorCode::invalid_model,
                "{} bytes at offset {} are asked of '{}', which has only {}; the file is truncated or the wrong one",
                part.length == FilePart::kToEnd ? 0 : part.length, part.offset, file.path(), file.size());
  }
  if (part.length == FilePart::kToEnd) part.length = file.size() - part.offset;
  if (part.length > std::min<uint64_t>(part.max_bytes, PTRDIFF_MAX)) {
    return fail(ErrorCode::limit, "'{}' has {} bytes, the limit here is {}", file.path(), part.length, part.max_bytes);
  }
  return part;
}

}  // namespace

Result<File> File::adopt(int fd, std::string path) {
  File file(fd, 0, std::move(path));
  struct stat info {};
  if (fstat(fd, &info) != 0) return os_error(errno, "examine", file.path_);
  if (!S_ISREG(info.st_mode)) return fail(ErrorCode::io, "cannot read '{}': it is not a regular file", file.path_);
  file.size_ = static_cast<uint64_t>(info.st_size);
  return file;
}

Result<File> File::open(const std::string& path) {
  const int fd = retry_open(AT_FDCWD, path.c_str(), kOpenFlags);
  if (fd < 0) return os_error(errno, "open", path);
  return adopt(fd, path);
}

Result<File> File::open_beneath(const std::string& folder, std::string_view relative) {
  const std::vector<std::string> parts = TRY(split_reference(relative));
  const std::string base = folder.empty() ? "." : folder;
  const std::string path = base + "/" + join(parts);
  const int directory = retry_open(AT_FDCWD, base.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return os_error(errno, "open the folder", base);
  int fd = open_resolved(directory, join(parts));
  if (fd < 0 && (errno == ENOSYS || errno == EPERM)) fd = open_stepwise(directory, parts);
  const int error = errno;
  close(directory);
  if (fd >= 0) return adopt(fd, path);
  if (error == EXDEV || error == ELOOP) {
    return fail(ErrorCode::invalid_model,
                "the model refers to '{}', which is a link out of its folder; put the file itself there", path);
  }
  return os_error(error, "open", path);
}

File::File(File&& other) noexcept : fd_(std::exchange(other.fd_, -1)), size_(other.size_), path_(std::move(other.path_)) {}

File& File::operator=(File&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(size_, other.size_);
  std::swap(path_, other.path_);
  return *this;
}

File::~File() {
  if (fd_ >= 0) close(fd_);
}

Status File::read(uint64_t offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    const ssize_t n = pread(fd_, out.data(), out.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return os_error(errno, "read", path_);
    if (n == 0) return fail(ErrorCode::io, "'{}' became shorter while it was read; use a complete file", path_);
    out = out.subspan(static_cast<size_t>(n));
    offset += static_cast<uint64_t>(n);
  }
  return {};
}

void FileBytes::release(size_t offset, size_t length) const {
  if (offset >= size_) return;
  release_pages(data_ + offset, std::min(length, size_ - offset));
}

Result<FileBytes> read_file(const File& file, const FilePart& part) {
  const FilePart checked = TRY(check(file, part));
  const auto size = static_cast<size_t>(checked.length);
  std::shared_ptr<void> memory = allocate_pages(size);
  auto* const data = static_cast<std::byte*>(memory.get());
  const auto chunks = static_cast<int64_t>((size + kChunk - 1) / kChunk);
  std::atomic<int64_t> next{0};
  std::mutex mutex;
  Status done;
  auto read_chunks = [&](int, int) {
    for (int64_t i = next++; i < chunks; i = next++) {
      const size_t at = static_cast<size_t>(i) * kChunk;
      Status read = file.read(checked.offset + at, {data + at, std::min(kChunk, size - at)});
      if (read) continue;
      next = chunks;
      const std::lock_guard lock(mutex);
      done = std::move(read);
    }
  };
  Team team(size < kSharedFrom ? 1 : max_threads());
  team.run(read_chunks);
  TRY(std::move(done));
  return FileBytes(std::move(memory), data, size, false);
}

Result<FileBytes> read_file(const std::string& path, const FilePart& part) {
  const File file = TRY(File::open(path));
  return read_file(file, part);
}

Result<FileBytes> map_file(const File& file, const FilePart& part) {
  const FilePart checked = TRY(check(file, part));
  const auto size = static_cast<size_t>(checked.length);
  if (size == 0) return FileBytes();
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  const uint64_t start = checked.offset / page * page;
  const auto lead = static_cast<size_t>(checked.offset - start);
  void* const mapped = mmap(nullptr, size + lead, PROT_READ, MAP_PRIVATE, file.descriptor(), static_cast<off_t>(start));
  if (mapped == MAP_FAILED) return os_error(errno, "map", file.path());
  std::shared_ptr<const void> owner(mapped, [length = size + lead](const void* p) { munmap(const_cast<void*>(p), length); });
  return FileBytes(std::move(owner), static_cast<const std::byte*>(mapped) + lead, size, true);
}

Result<FileBytes> map_file(const std::string& path, const FilePart& part) {
  const File file = TRY(File::open(path));
  return map_file(file, part);
}

}  // namespace slipway
