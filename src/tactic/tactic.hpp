// The contract between plans and kernels. A Tactic is one way to run one op or group: judge says yes with a cost or no with a
// reason (cheap, builds nothing), build makes a Kernel that only runs.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/cpu.hpp"
#include "base/tensor.hpp"
#include "base/thread_pool.hpp"
#include "ir/graph.hpp"

namespace slipway::tactic {

/// How a tensor's elements lie in its buffer.
enum class Format : uint8_t {
  plain,          ///< row-major
  blocked16,      ///< N, C, spatial...: [N][ceil(C/16)][spatial...][16]; lanes beyond C are unspecified, readers never use them
  channels_last,  ///< N, C, spatial...: [N][spatial...][C]
};
std::string_view name(Format format);

/// Bytes of a buffer that holds a tensor in a format (multiple of nothing; the plan aligns).
size_t buffer_bytes(ElementType type, const Dims& dims, Format format);

/// A tensor as a tactic sees it at plan time.
struct TensorDesc {
  ElementType type = ElementType::undefined;  ///< undefined: absent
  Dims dims;
  Format format = Format::plain;  ///< inputs: as it stands now
  const Tensor* constant = nullptr;
  std::string_view name;

  bool absent() const { return type == ElementType::undefined; }
};

struct Machine {
  Isa isa = Isa::portable;
  int threads = 1;
  CpuInfo cpu;
};

struct Options {
  bool deterministic = true;  ///< the answer depends on neither batch, threads nor run
  double tolerance = 1e-4;    ///< allowed error of a recipe, relative to the output's scale
};

struct Query {
  const ir::Node& node;
  std::span<const TensorDesc> inputs;   ///< one per node input (captures included)
  std::span<const TensorDesc> outputs;  ///< format not yet chosen
  const Machine& machine;
  const Options& options;

  bool is(std::string_view op, std::string_view domain = "") const { return node.is(op, domain); }
  bool has(size_t i) const { return i < inputs.size() && !inputs[i].absent(); }
};

struct Verdict {
  bool accepted = false;
  double cost_us = 0;           ///< estimated time on one thread-team of the machine
  std::string reason;           ///< why not; or, when accepted, the recipe in a few words
  std::vector<Format> inputs;   ///< wanted format per input; shorter means plain
  std::vector<Format> outputs;  ///< format per output; shorter means plain
  int in_place = -1;            ///< output 0 may be written over this input (same bytes)
  bool is_view = false;         ///< output 0 is input 0's bytes: the plan aliases and runs nothing

  static Verdict no(std::string why) { return {false, 0, std::move(why), {}, {}, -1, false}; }
  static Verdict yes(double us, std::string recipe = {}) { return {true, us, std::move(recipe), {}, {}, -1, false}; }
  Format input(size_t i) const { return i < inputs.size() ? inputs[i] : Format::plain; }
  Format output(size_t i) const { return i < outputs.size() ? outputs[i] : Format::plain; }
};

/// What went wrong in the data; never a signal.
enum class Fault : uint8_t { none, index_out_of_range, division_by_zero, negative_extent, invalid_value };
std::string_view name(Fault fault);

/// Everything a Kernel may touch while it runs.
struct Exec {
  void* const* inputs;  ///< nullptr where absent, or packed at build and released
  void* const* outputs;
  std::byte* scratch;  ///< as booked, 64-byte aligned, contents unspecified
  Team& team;
  std::string* fault_text;  ///< a failing kernel may say more here; never null
};

class Kernel {
 public:
  virtual ~Kernel() = default;
  /// Allocates nothing, locks nothing, throws nothing. Not thread-safe with itself unless every state is in Exec: a Kernel is
  /// shared by Sessions and must be const in effect.
  virtual Fault run(const Exec& exec) const noexcept = 0;
  /// One line for explain: instruction set, tile, blocking.
  virtual std::string describe() const { return {}; }
};

/// A constant laid out anew for a kernel. Equal `recipe` on the same constant means equal bytes.
struct Packing {
  std::string recipe;  ///< such as "gemm_b/f32/n32"
  size_t bytes = 0;
  std::function<void(const Tensor& from, std::byte* to)> pack;
  std::function<void(const std::byte* from, Tensor& to)> unpack;  ///< empty: cannot be undone
};
using Packed = std::shared_ptr<const std::byte>;

/// What build() may use. Packed constants are shared between plans, sessions and the engine file.
class BuildContext {
 public:
  virtual ~BuildContext() = default;
  /// Input `i` (a constant) packed. The kernel then no longer gets it at run time.
  virtual Result<Packed> pack(size_t i, const Packing& packing) = 0;
  /// Bytes of scratch for one run, shared by all steps (each sees its own from offset 0).
  virtual void book_scratch(size_t bytes) = 0;
};

struct Tactic {
  std::string_view name;              ///< "x64.conv_blocked16", "ref"
  Isa isa = Isa::portable;            ///< least level it needs; the plan does not ask below it
  std::vector<std::string_view> ops;  ///< names it may accept ("*": any); others are not asked
  Verdict (*judge)(const Query&) = nullptr;
  Result<std::unique_ptr<Kernel>> (*build)(const Query&, const Verdict&, BuildContext&) = nullptr;
};
/// The tactics of one file (src/kernels/**/NAME_tactic.cpp defines `tactic::TacticList NAME_tactic();`).
using TacticList = std::vector<Tactic>;

}  // namespace slipway::tactic
