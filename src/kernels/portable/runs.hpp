// Short runs of bytes: copied and filled without a call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace slipway::kernels {

struct Wide {
  uint64_t low, high;
};

namespace runs {

constexpr int64_t kShort = 48;  ///< from here on memcpy is better

template <class T>
inline void move(std::byte* to, const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  std::memcpy(to, &value, sizeof(T));
}

/// Two overlapping moves for sizeof(T) <= bytes <= 2 * sizeof(T).
template <class T>
inline void move_both_ends(std::byte* to, const std::byte* from, int64_t bytes) {
  T first, last;
  std::memcpy(&first, from, sizeof(T));
  std::memcpy(&last, from + bytes - sizeof(T), sizeof(T));
  std::memcpy(to, &first, sizeof(T));
  std::memcpy(to + bytes - sizeof(T), &last, sizeof(T));
}

inline void copy(std::byte* to, const std::byte* from, int64_t bytes) {
  if (bytes >= kShort) {
    std::memcpy(to, from, static_cast<size_t>(bytes));
  } else if (bytes >= 16) {
    for (int64_t i = 0; i + 16 < bytes; i += 16) move<Wide>(to + i, from + i);
    move<Wide>(to + bytes - 16, from + bytes - 16);
  } else if (bytes >= 8) {
    move_both_ends<uint64_t>(to, from, bytes);
  } else if (bytes >= 4) {
    move_both_ends<uint32_t>(to, from, bytes);
  } else {
    for (int64_t i = 0; i < bytes; ++i) to[i] = from[i];
  }
}

template <class T>
inline void copy_each(std::byte* to, int64_t to_step, const std::byte* from, int64_t from_step, int64_t count) {
  for (int64_t i = 0; i < count; ++i) move<T>(to + i * to_step, from + i * from_step);
}

/// `count` runs of `bytes`, steps in bytes.
inline void copy_rows(std::byte* to, int64_t to_step, const std::byte* from, int64_t from_step, int64_t bytes, int64_t count) {
  switch (bytes) {
    case 1:
      return copy_each<uint8_t>(to, to_step, from, from_step, count);
    case 2:
      return copy_each<uint16_t>(to, to_step, from, from_step, count);
    case 4:
      return copy_each<uint32_t>(to, to_step, from, from_step, count);
    case 8:
      return copy_each<uint64_t>(to, to_step, from, from_step, count);
    case 16:
      return copy_each<Wide>(to, to_step, from, from_step, count);
    default:
      for (int64_t i = 0; i < count; ++i) copy(to + i * to_step, from + i * from_step, bytes);
  }
}

/// `count` elements of one value.
template <class T>
inline void fill(T* to, T value, int64_t count) {
  constexpr int64_t kLanes = static_cast<int64_t>(16 / sizeof(T));
  if (count < kLanes) {
    for (int64_t i = 0; i < count; ++i) to[i] = value;
    return;
  }
  T lanes[kLanes];
  for (T& lane : lanes) lane = value;
  Wide wide;
  std::memcpy(&wide, lanes, sizeof(wide));
  for (int64_t i = 0; i + kLanes < count; i += kLanes) std::memcpy(to + i, &wide, sizeof(wide));
  std::memcpy(to + count - kLanes, &wide, sizeof(wide));
}

}  // namespace runs
}  // namespace slipway::kernels
