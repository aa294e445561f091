#include "kernels/portable/fft.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>

namespace slipway::fft {
namespace {

constexpr int64_t kMostRadix = 31;

Lanes operator+(const Lanes& a, const Lanes& b) {
  return {a.re + b.re, a.im + b.im};
}
Lanes operator-(const Lanes& a, const Lanes& b) {
  return {a.re - b.re, a.im - b.im};
}
Lanes operator*(const Lanes& a, Factor f) {
  return {a.re * f.re - a.im * f.im, a.re * f.im + a.im * f.re};
}
Lanes operator*(const Lanes& a, float f) {
  return {a.re * f, a.im * f};
}
/// a times -j.
Lanes back(const Lanes& a) {
  return {a.im, -a.re};
}

/// The transform of `radix` values in place.
template <int64_t kRadix>
void butterfly(Lanes* v) {
  if constexpr (kRadix == 2) {
    const Lanes a = v[0], b = v[1];
    v[0] = a + b;
    v[1] = a - b;
  } else if constexpr (kRadix == 3) {
    constexpr float kHalf = 0.5F;
    const float sine = 0.866025404F;
    const Lanes sum = v[1] + v[2], turned = back(v[1] - v[2]) * sine, middle = v[0] - sum * kHalf;
    v[0] = v[0] + sum;
    v[1] = middle + turned;
    v[2] = middle - turned;
  } else if constexpr (kRadix == 4) {
    const Lanes a = v[0] + v[2], b = v[0] - v[2], c = v[1] + v[3], d = back(v[1] - v[3]);
    v[0] = a + c;
    v[1] = b + d;
    v[2] = a - c;
    v[3] = b - d;
  } else {
    static_assert(kRadix == 5);
    const float c1 = 0.309016994F, c2 = -0.809016994F, s1 = 0.951056516F, s2 = 0.587785252F;
    const Lanes a = v[1] + v[4], b = v[2] + v[3], c = v[1] - v[4], d = v[2] - v[3];
    const Lanes m1 = v[0] + a * c1 + b * c2, m2 = v[0] + a * c2 + b * c1;
    const Lanes n1 = back(c * s1 + d * s2), n2 = back(c * s2 - d * s1);
    v[0] = v[0] + a + b;
    v[1] = m1 + n1;
    v[2] = m2 + n2;
    v[3] = m2 - n2;
    v[4] = m1 - n1;
  }
}

/// Any radix: `roots[i]` is e^(-2 pi j i / radix).
void butterfly_of(int64_t radix, const Factor* roots, Lanes* v) {
  Lanes out[kMostRadix];
  for (int64_t u = 0; u < radix; ++u) {
    out[u] = v[0];
    for (int64_t t = 1, at = 0; t < radix; ++t) {
      at = at + u >= radix ? at + u - radix : at + u;
      out[u] = out[u] + v[t] * roots[at];
    }
  }
  std::copy_n(out, radix, v);
}

/// One pass over `stride` interleaved transforms of radix * parts values.
template <class Butterfly>
void pass(int64_t radix, int64_t parts, int64_t stride, const Factor* factors, const Lanes* x, Lanes* y,
          const Butterfly& transform) {
  Lanes v[kMostRadix];
  for (int64_t p = 0; p < parts; ++p, factors += radix - 1) {
    for (int64_t q = 0; q < stride; ++q) {
      for (int64_t t = 0; t < radix; ++t) v[t] = x[q + stride * (p + parts * t)];
      transform(v);
      Lanes* to = y + q + stride * radix * p;
      to[0] = v[0];
      for (int64_t u = 1; u < radix; ++u) to[stride * u] = v[u] * factors[u - 1];
    }
  }
}

/// 4 while it divides, then the primes; empty when one is too large.
std::vector<int64_t> radices(int64_t n) {
  std::vector<int64_t> out;
  for (; n % 4 == 0; n /= 4) out.push_back(4);
  for (int64_t r = 2; r <= kMostRadix; ++r) {
    for (; n % r == 0; n /= r) out.push_back(r);
  }
  if (n != 1) out.clear();
  return out;
}

}  // namespace

Factor turn(int64_t part, int64_t whole) {
  const double angle = 2 * std::numbers::pi * static_cast<double>(part % whole) / static_cast<double>(whole);
  return {static_cast<float>(std::cos(angle)), static_cast<float>(-std::sin(angle))};
}

Plan::Plan(int64_t length) : length_(length) {
  const std::vector<int64_t> found = radices(length);
  int64_t n = length;
  for (const int64_t radix : found) {
    Pass next{radix, {}};
    for (int64_t p = 0; p < n / radix; ++p) {
      for (int64_t u = 1; u < radix; ++u) next.factors.push_back(turn(p * u, n));
    }
    passes_.push_back(std::move(next));
    n /= radix;
  }
  if (length == 1 || !found.empty()) return;

  int64_t whole = 1;
  while (whole < 2 * length - 1) whole *= 2;
  chirped_ = std::make_unique<Plan>(whole);
  std::vector<Lanes> kernel(static_cast<size_t>(whole), Lanes{}), work(static_cast<size_t>(chirped_->work()));
  for (int64_t i = 0; i < length; ++i) {
    const Factor c = turn(static_cast<int64_t>(static_cast<__int128>(i) * i % (2 * length)), 2 * length);
    chirp_.push_back(c);
    const Lanes conjugate = Lanes{Vector{c.re, c.re, c.re, c.re}, Vector{-c.im, -c.im, -c.im, -c.im}};
    kernel[static_cast<size_t>(i)] = conjugate;
    kernel[static_cast<size_t>(i == 0 ? 0 : whole - i)] = conjugate;
  }
  chirped_->run(kernel.data(), work.data());
  const auto scale = static_cast<float>(1.0 / static_cast<double>(whole));
  for (const Lanes& k : kernel) spectrum_.push_back({k.re[0] * scale, k.im[0] * scale});
}

void Plan::run(Lanes* x, Lanes* work) const {
  chirped_ ? run_chirp(x, work) : run_passes(x, work);
}

void Plan::run_passes(Lanes* x, Lanes* work) const {
  Lanes *from = x, *to = work;
  int64_t n = length_, stride = 1;
  for (const Pass& next : passes_) {
    const int64_t radix = next.radix, parts = n / radix;
    const Factor* factors = next.factors.data();
    if (radix == 2) {
      pass(2, parts, stride, factors, from, to, butterfly<2>);
    } else if (radix == 3) {
      pass(3, parts, stride, factors, from, to, butterfly<3>);
    } else if (radix == 4) {
      pass(4, parts, stride, factors, from, to, butterfly<4>);
    } else if (radix == 5) {
      pass(5, parts, stride, factors, from, to, butterfly<5>);
    } else {
      Factor roots[kMostRadix];
      for (int64_t i = 0; i < radix; ++i) roots[i] = turn(i, radix);
      pass(radix, parts, stride, factors, from, to, [&](Lanes* v) { butterfly_of(radix, roots, v); });
    }
    std::swap(from, to);
    n = parts;
    stride *= radix;
  }
  if (from != x) std::copy_n(from, length_, x);
}

/// i k = (i^2 + k^2 - (k - i)^2) / 2 makes the transform a convolution with the chirp's conjugate.
void Plan::run_chirp(Lanes* x, Lanes* work) const {
  const int64_t whole = chirped_->length();
  Lanes *a = work, *inner = work + whole;
  for (int64_t i = 0; i < length_; ++i) a[i] = x[i] * chirp_[static_cast<size_t>(i)];
  std::fill(a + length_, a + whole, Lanes{});
  chirped_->run(a, inner);
  for (int64_t i = 0; i < whole; ++i) {  // conjugated, so that the next transform is the inverse
    const Lanes v = a[i] * spectrum_[static_cast<size_t>(i)];
    a[i] = {v.re, -v.im};
  }
  chirped_->run(a, inner);
  for (int64_t i = 0; i < length_; ++i) x[i] = Lanes{a[i].re, -a[i].im} * chirp_[static_cast<size_t>(i)];
}

}  // namespace slipway::fft
