// The discrete Fourier transform of any length in single precision, several transforms side by side.
//
// Mixed radix in Stockham's order (no bit reversal): each pass splits every transform into r shorter ones, r from 4, 2, 3, 5 and
// other primes up to kMostRadix. A length with a larger prime is done by Bluestein's chirp over a power of two. Twiddle factors
// are computed in double. Lanes do not mix: a transform has the same bits whatever stands beside it.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace slipway::fft {

constexpr int64_t kLanes = 4;
using Vector = float __attribute__((vector_size(kLanes * sizeof(float))));

/// One value of each of kLanes transforms.
struct Lanes {
  Vector re, im;
};
struct Factor {
  float re, im;
};

/// e^(-2 pi j part / whole), exact to single precision for any part.
Factor turn(int64_t part, int64_t whole);

/// Immutable: threads may share one.
class Plan {
 public:
  /// `length` >= 1.
  explicit Plan(int64_t length);
  int64_t length() const { return length_; }
  /// Values that run() needs as work.
  int64_t work() const { return chirped_ ? 2 * chirped_->length() : length_; }
  /// In place: x[k] becomes the sum over i of x[i] e^(-2 pi j i k / length). `x`, `work` aligned to 16 bytes.
  void run(Lanes* x, Lanes* work) const;

 private:
  struct Pass {
    int64_t radix;
    std::vector<Factor> factors;  ///< [length of the pass / radix][radix - 1]
  };
  void run_passes(Lanes* x, Lanes* work) const;
  void run_chirp(Lanes* x, Lanes* work) const;

  int64_t length_;
  std::vector<Pass> passes_;
  std::unique_ptr<Plan> chirped_;  ///< Bluestein's convolution
  std::vector<Factor> chirp_;      ///< e^(-pi j i^2 / length)
  std::vector<Factor> spectrum_;   ///< of the chirp's conjugate, over chirped_'s length and divided by it
};

}  // namespace slipway::fft
