// Plan: the machine-bound form of a Graph for one shape signature: kernels in order, formats, arena offsets. No graph inside,
// except what must wait for data (host nodes and the rest).
#pragma once

#include <limits>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "ir/graph.hpp"
#include "tactic/tactic.hpp"

namespace slipway::plan {

class Timings;

/// Where a pointer of a step comes from at run time.
struct Place {
  enum class Kind : uint8_t { none, arena, constant, input, output, kept };
  Kind kind = Kind::none;
  size_t offset = 0;           ///< bytes from the start of the place
  uint32_t index = 0;          ///< which input, output or kept value
  const void* data = nullptr;  ///< constant
};

struct Step {
  std::string name;  ///< node name
  std::string op;    ///< operator or group kind
  std::string_view tactic;
  std::string recipe;  ///< the verdict's words, then the kernel's own
  std::shared_ptr<const tactic::Kernel> kernel;
  std::vector<Place> inputs, outputs;
  std::vector<ir::ValueId> output_values;  ///< ids in Plan::graph, for taps
  std::vector<tactic::Format> output_formats;
  double cost_us = 0;
  double flops = 0, bytes = 0;  ///< work.hpp
  double constant_bytes = 0;    ///< of `bytes`
  std::string signature;        ///< timings.hpp; only when choices are recorded
};

/// A value that leaves the static part: type, extents, and the arena place it is copied from when it is not written in place.
struct Port {
  ir::ValueId value = ir::kNone;
  ElementType type = ElementType::undefined;
  Dims dims;
};

/// How each of the plan's results is found after the static part, the host nodes and the rest have run.
struct ResultSource {
  enum class Kind : uint8_t { input, constant, output, value } kind = Kind::value;
  uint32_t index = 0;  ///< input or static output
  ir::ValueId value = ir::kNone;
};

/// What was chosen for one node: every tactic with its cost or refusal. For explain, and kept in engine files.
struct Choice {
  uint64_t key = 0;  ///< of node, types, extents and formats (choose.hpp)
  std::string node, op;
  std::string signature;  ///< timings.hpp; empty when read from an engine file
  struct Candidate {
    std::string tactic;
    bool accepted = false;
    double cost_us = 0;      ///< estimated, reorders included
    double measured_us = 0;  ///< 0: not measured
    std::string text;        ///< the recipe, or why not
    bool chosen = false;
  };
  std::vector<Candidate> candidates;

  const Candidate* winner() const;
};
/// By key.
using Choices = std::unordered_map<uint64_t, Choice>;

struct Memory {
  size_t arena_bytes = 0;      ///< all buffers and the scratch
  size_t live_peak_bytes = 0;  ///< the most bytes live at once, scratch included: the lower bound of any arena
  size_t scratch_bytes = 0;
};

/// Immutable and shared by Sessions once made.
struct Plan {
  ir::Graph graph;  ///< specialised: concrete facts, values of shape arithmetic folded
  std::vector<Step> steps;
  std::vector<Port> outputs;              ///< static outputs, each with storage of its own
  std::vector<ir::NodeId> host;           ///< run after the steps, in order, by reference in the host lane
  std::shared_ptr<const ir::Graph> rest;  ///< what is planned once the host values are known; its inputs are `rest_inputs`
  std::vector<ir::ValueId> rest_inputs;
  std::vector<ResultSource> results;  ///< one per graph output
  Memory memory;
  std::vector<Choice> choices;                     ///< only when asked for
  std::vector<std::shared_ptr<const void>> owned;  ///< packed constants and folded values the steps point to
  size_t owned_bytes = 0;                          ///< of those that belong to this plan alone

  /// Estimate of what the plan takes in memory, without constants and code that it shares.
  size_t bytes() const;
};

/// Packed constants shared between plans; implemented by the engine.
class PackedStore {
 public:
  virtual ~PackedStore() = default;
  /// The constant packed by `packing`, made on first use. Thread-safe. nullopt-like null when the constant is not one of the
  /// model's own.
  virtual Result<tactic::Packed> packed(const Tensor& constant, const tactic::Packing& packing) = 0;
  /// Sees to it that the constant's own bytes may be read: a store may hold large constants in packed form alone. Whoever reads
  /// them, at planning or by a step at run time, asks here first; tactics read constants of more than kReadableBytes through
  /// pack() or at run time only. Thread-safe.
  virtual Status provide(const Tensor& constant) = 0;

  static constexpr size_t kReadableBytes = 4096;
};

struct PlanOptions {
  tactic::Machine machine;
  tactic::Options tactics;
  const tactic::TacticList* tactic_list = nullptr;
  PackedStore* store = nullptr;
  const Choices* made = nullptr;  ///< choices to keep to instead of choosing anew, where the tactic still accepts
  const Timings* timings =
      nullptr;  ///< what was measured, in place of estimates; a tactic without a measurement loses to one with
  const std::map<std::string, std::string>* trial = nullptr;  ///< by signature the tactic to take, where it accepts
  bool references_only = false;                               ///< no tactic but the reference
  bool keep_values = false;                                   ///< every value keeps its buffer to the end (taps)
  bool record = false;                                        ///< ask every tactic and keep what was chosen in Plan::choices
  std::string forced_tactic;                                  ///< non-empty: this tactic wherever it accepts (conformance tests)
};

/// What is known of one graph input when a plan is made.
struct InputDesc {
  ir::Fact fact;  ///< static for tensors; sequences and strings as declared
  Tensor value;   ///< known value, when shapes depend on it
};

/// Largest tensor whose value becomes part of the plan's signature when shapes depend on it.
constexpr int64_t kMaxSignatureElements = 64;

/// For each graph input: do extents (or an If's branch) depend on its value?
std::vector<bool> shape_inputs(const ir::Graph& graph);

/// Makes the Plan of `graph` for these inputs. Errors: a shape contradiction names the node.
Result<std::unique_ptr<Plan>> make(const ir::Graph& graph, std::span<const InputDesc> inputs, const PlanOptions& options);

}  // namespace slipway::plan
