#include "kernels/x64/jit/code.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "base/format.hpp"
#include "base/knobs.hpp"
#include "kernels/x64/jit/emit.hpp"

namespace slipway::jit {

namespace {

void write_perf_map(const void* address, size_t bytes, const std::string& name) {
  const std::string path = fmt::format("/tmp/perf-{}.map", getpid());
  if (FILE* file = std::fopen(path.c_str(), "ae")) {
    const std::string line = fmt::format("{:x} {:x} slipway:{}\n", reinterpret_cast<uintptr_t>(address), bytes, name);
    std::fwrite(line.data(), 1, line.size(), file);  // one write in append mode: lines of threads do not mix
    std::fclose(file);
  }
}

}  // namespace

Code::~Code() {
  if (pages_ != nullptr) munmap(pages_, page_bytes_);
}

Code::Code(Code&& other) noexcept {
  *this = std::move(other);
}

Code& Code::operator=(Code&& other) noexcept {
  std::swap(pages_, other.pages_);
  std::swap(page_bytes_, other.page_bytes_);
  std::swap(code_bytes_, other.code_bytes_);
  std::swap(entry_, other.entry_);
  std::swap(spills_, other.spills_);
  return *this;
}

Result<Code> compile(const Program& program) {
  if (!knobs::kJit.get()) return fail(ErrorCode::unsupported, "{} is off: the portable kernels serve", knobs::kJit.name);
  const Allocation allocation = allocate(program);
  const Encoded encoded = TRY(emit(program, allocation));

  Code code;
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t bytes = (encoded.size + page - 1) / page * page;
  // Neighbouring mappings of equal protection merge in the kernel, so a mapping a function costs no table of our own.
  void* pages = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) {
    return fail(ErrorCode::limit, "no memory for {} bytes of machine code of '{}': {}", bytes, program.name(), strerror(errno));
  }
  code.pages_ = pages;
  code.page_bytes_ = bytes;
  std::memcpy(pages, encoded.bytes.get(), encoded.size);
  if (mprotect(pages, bytes, PROT_READ | PROT_EXEC) != 0) {
    return fail(ErrorCode::unsupported,
                "the system refuses executable memory ({}): run with the portable kernels (--isa portable)", strerror(errno));
  }
  code.entry_ = reinterpret_cast<Code::Function>(static_cast<uint8_t*>(pages) + encoded.entry);
  code.code_bytes_ = encoded.size - encoded.entry;
  code.spills_ = allocation.spills;
  if (knobs::kPerfMap.get()) {
    write_perf_map(reinterpret_cast<const void*>(code.entry_), code.code_bytes_, program.name());
  }
  return code;
}

bool available() {
  static const bool works = [] {
    if (detected_isa() < Isa::avx2) return false;
    return compile(Program(Isa::avx2, "probe")).has_value();
  }();
  return works;
}

}  // namespace slipway::jit
