// What tactics were measured to take, by what they ran and where: kept as a text that can be shipped, merged and compared.
//
//   slipway timings 1
//   0.3.0 avx512_bf16 2 x64.winograd4 612.25 Conv|%2 = Conv(%0, %1) {pads=[1, 1, 1, 1]}|f32[1,64,56,56] blocked16, ...
//
// One line a measurement: version, instruction set, threads, tactic, microseconds, what was run; sorted, so that files of the
// same measurements are the same bytes. Lines of several files under each other are a file again, repeated heads included.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>

#include "base/cpu.hpp"
#include "base/error.hpp"
#include "tactic/tactic.hpp"

namespace slipway::plan {

/// One line that tells what a query runs: operator or group with attributes, types, extents and formats; neither names nor
/// values of constants. Equal signatures take equal time.
std::string signature(const tactic::Query& query);
/// The same of changing a tensor's format.
std::string reorder_signature(const tactic::TensorDesc& desc, tactic::Format to);

/// Microseconds by signature and tactic.
class Timings {
 public:
  std::optional<double> find(const std::string& signature, std::string_view tactic) const;
  /// The least of any tactic.
  std::optional<double> least(const std::string& signature) const;
  /// Rounded to nanoseconds, at least one. Of two measurements of the same the lesser stands: disturbances only add.
  void add(const std::string& signature, std::string_view tactic, double us);
  bool empty() const { return by_signature_.empty(); }
  const std::map<std::string, std::map<std::string, double, std::less<>>>& all() const { return by_signature_; }

 private:
  std::map<std::string, std::map<std::string, double, std::less<>>> by_signature_;
};

/// Where measurements hold: another version may have other kernels.
struct TimingPlace {
  std::string version;
  Isa isa = Isa::portable;
  int threads = 1;
  bool operator<(const TimingPlace& o) const { return std::tie(version, isa, threads) < std::tie(o.version, o.isa, o.threads); }
};

class TimingCache {
 public:
  static constexpr size_t kMaxBytes = size_t{256} << 20, kMaxLine = size_t{64} << 10;

  /// Errors (invalid_argument, limit) name the line.
  static Result<TimingCache> parse(std::string_view text);
  /// Signatures that would make a line too long or hold control characters are left out.
  std::string text() const;

  Timings& at(const TimingPlace& place) { return places_[place]; }
  /// Takes in what the other knows.
  void merge(const TimingCache& other);
  size_t size() const;

 private:
  std::map<TimingPlace, Timings> places_;
};

}  // namespace slipway::plan
