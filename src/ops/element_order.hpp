// A total order of elements of any type, as NumPy sorts: NaN after all numbers and equal to itself, false before true, complex
// by real part first, strings by bytes.
#pragma once

#include "ops/reference.hpp"

namespace slipway::ops {

template <class T>
int compare_numbers(T a, T b) {
  const bool a_nan = a != a, b_nan = b != b;
  if (a_nan || b_nan) return static_cast<int>(a_nan) - static_cast<int>(b_nan);
  return a < b ? -1 : b < a ? 1 : 0;
}

/// Negative, 0 or positive as element i comes before, with or after element j.
inline int compare_elements(const Tensor& x, int64_t i, int64_t j) {
  const auto pair = [i, j]<class T>(const T* data) {
    const int real = compare_numbers(data[2 * i], data[2 * j]);
    return real != 0 ? real : compare_numbers(data[2 * i + 1], data[2 * j + 1]);
  };
  switch (x.type()) {
    case ElementType::string:
      return x.as<std::string>()[i].compare(x.as<std::string>()[j]);
    case ElementType::c64:
      return pair(x.as<float>());
    case ElementType::c128:
      return pair(x.as<double>());
    default:
      return in_domain(x.type(), [&]<class T>(T) { return compare_numbers(load<T>(x, i), load<T>(x, j)); });
  }
}

}  // namespace slipway::ops
