#include "base/tensor.hpp"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>

#include "base/low_precision.hpp"
#include "base/pages.hpp"

namespace slipway {

namespace {

/// Large tensors want large pages: a pass over them would miss the TLB at every small one. They start at different offsets from
/// those pages, as streams at the same offset meet in the same banks of memory.
constexpr size_t kLarge = size_t{4} << 20;

std::shared_ptr<void> allocate_large(size_t bytes) {
  constexpr size_t kStep = 17 * 4096 + 2 * kAlignment, kSteps = 8;
  static std::atomic<size_t> count = 0;
  const size_t offset = count.fetch_add(1, std::memory_order_relaxed) % kSteps * kStep;
  const std::shared_ptr<void> pages = allocate_pages(bytes + kStep * kSteps);
  return {pages, static_cast<std::byte*>(pages.get()) + offset};
}

}  // namespace

std::shared_ptr<void> allocate(size_t bytes, bool zero) {
  if (bytes >= kLarge) return allocate_large(bytes);
  const size_t rounded = (std::max<size_t>(bytes, 1) + kAlignment - 1) / kAlignment * kAlignment;
  void* p = std::aligned_alloc(kAlignment, rounded);
  if (p == nullptr) throw std::bad_alloc();
  if (zero) std::memset(p, 0, rounded);
  return std::shared_ptr<void>(p, std::free);
}

Tensor::Tensor(ElementType type, const Dims& dims) : type_(type), dims_(dims) {
  const auto n = static_cast<size_t>(dims.count());
  if (type == ElementType::string) {
    std::shared_ptr<std::string[]> strings(new std::string[n == 0 ? 1 : n]);
    data_ = strings.get();
    owner_ = std::shared_ptr<const void>(strings, data_);
    return;
  }
  std::shared_ptr<void> bytes = allocate(byte_size(type, dims.count()));
  data_ = bytes.get();
  owner_ = std::move(bytes);
}

Tensor Tensor::clone() const {
  if (type_ == ElementType::undefined) return {};
  Tensor out(type_, dims_);
  if (type_ == ElementType::string) {
    const auto* from = as<std::string>();
    for (int64_t i = 0; i < count(); ++i) out.as<std::string>()[i] = from[i];
  } else if (bytes() != 0) {
    std::memcpy(out.data_, data_, bytes());
  }
  return out;
}

bool Tensor::same_bytes(const Tensor& other) const {
  if (type_ != other.type_ || !(dims_ == other.dims_)) return false;
  if (data_ == other.data_ || count() == 0) return true;
  if (type_ == ElementType::string) {
    for (int64_t i = 0; i < count(); ++i) {
      if (as<std::string>()[i] != other.as<std::string>()[i]) return false;
    }
    return true;
  }
  return std::memcmp(data_, other.data_, bytes()) == 0;
}

std::vector<int64_t> to_int64s(const Tensor& tensor) {
  return to_int64s(tensor.view());
}

}  // namespace slipway
