// Dims: the concrete extents of a tensor, inline (no allocation), row-major meaning.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

namespace slipway {

/// Largest tensor rank that slipway accepts; a model beyond it is refused at import.
constexpr int kMaxRank = 16;

class Dims {
 public:
  Dims() = default;
  Dims(std::initializer_list<int64_t> extents) : Dims(std::span<const int64_t>(extents.begin(), extents.size())) {}
  /// Precondition: extents.size() <= kMaxRank (checked where data enters).
  explicit Dims(std::span<const int64_t> extents) : rank_(static_cast<int>(extents.size())) {
    for (int i = 0; i < rank_; ++i) extents_[static_cast<size_t>(i)] = extents[static_cast<size_t>(i)];
  }
  static Dims of_rank(int rank, int64_t extent = 1) {
    Dims d;
    d.rank_ = rank;
    for (int i = 0; i < rank; ++i) d[i] = extent;
    return d;
  }

  int rank() const { return rank_; }
  bool empty() const { return rank_ == 0; }
  int64_t& operator[](int i) { return extents_[static_cast<size_t>(i)]; }
  int64_t operator[](int i) const { return extents_[static_cast<size_t>(i)]; }
  int64_t back() const { return extents_[static_cast<size_t>(rank_ - 1)]; }
  const int64_t* begin() const { return extents_.data(); }
  const int64_t* end() const { return extents_.data() + rank_; }
  void push_back(int64_t extent) { extents_[static_cast<size_t>(rank_++)] = extent; }

  /// Number of elements: the product of extents [from, to), 1 for a scalar.
  int64_t count() const { return count(0, rank_); }
  int64_t count(int from, int to) const {
    int64_t n = 1;
    for (int i = from; i < to; ++i) n *= (*this)[i];
    return n;
  }
  /// Row-major strides in elements.
  Dims strides() const {
    Dims s = of_rank(rank_);
    for (int i = rank_ - 2; i >= 0; --i) s[i] = s[i + 1] * (*this)[i + 1];
    return s;
  }
  bool operator==(const Dims& other) const {
    if (rank_ != other.rank_) return false;
    for (int i = 0; i < rank_; ++i) {
      if ((*this)[i] != other[i]) return false;
    }
    return true;
  }

 private:
  std::array<int64_t, kMaxRank> extents_{};
  int rank_ = 0;
};

/// "1x3x224x224", "scalar" for rank 0.
std::string to_string(const Dims& dims);
/// The product of `extents`, or -1 when negative extents or an overflow of `limit` would result.
int64_t checked_count(std::span<const int64_t> extents, int64_t limit);

}  // namespace slipway
