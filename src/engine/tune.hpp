// Tuning: rival tactics measured where they run. Several plans of the model, each with other tactics, run in turns with the
// engine's threads and a clock at every step, so that each tactic meets the caches as they are inside this model.
#pragma once

#include <functional>
#include <memory>

#include "plan/timings.hpp"
#include "runtime/session.hpp"

namespace slipway::engine {

enum class Tuning : uint8_t {
  fast,  ///< the likely rivals, a few rounds
  full,  ///< every rival that is not hopeless, many rounds
};

struct TuneOptions {
  Tuning effort = Tuning::fast;
  std::function<void(const std::string&)> progress;  ///< what goes on, in a few words; may be empty
};

struct TuneReport {
  size_t known = 0, measured = 0;  ///< times taken from the cache, and anew
  size_t trials = 0;               ///< plans that ran
  double seconds = 0;
  double estimated_us = 0, tuned_us = 0;  ///< one run as estimates choose, and as tuned; 0: the same choices
  plan::Choices choices;
};

class Tuner {
 public:
  /// `base`: how the engine plans, its store one that may be thrown away. `timings` must outlive the tuner, as `base`'s parts.
  Tuner(std::shared_ptr<const ir::Graph> graph, plan::PlanOptions base, const TuneOptions& options, plan::Timings& timings);
  Result<TuneReport> run(std::span<const ir::Value> example);

 private:
  /// The tactic to take, by signature.
  using Takes = std::map<std::string, std::string>;
  /// A plan (several where shapes depend on data) under some choice of tactics, and what its steps took.
  struct Trial {
    Takes takes;
    std::shared_ptr<runtime::PlanCache> cache;
    std::unique_ptr<runtime::Session> session;
    std::vector<std::shared_ptr<const plan::Plan>> plans;
    std::vector<ir::Value> outputs;
    std::map<const plan::Step*, std::vector<double>> steps;
    std::vector<double> runs;
  };
  /// Tactics to measure, by signature.
  using Missing = std::map<std::string, std::vector<std::string>>;

  Result<std::unique_ptr<Trial>> make_trial(const plan::Timings* timings, Takes takes);
  Missing missing(const Trial& trial);
  Status run_once(Trial& trial);
  Status run_rounds(std::span<const std::unique_ptr<Trial>> trials);
  Status measure_rivals();
  void learn(std::span<const std::unique_ptr<Trial>> trials);
  /// Single steps mislead where one step slows another: the whole decides.
  Status choose_whole(TuneReport& report);
  void say(const std::string& what) const;

  std::shared_ptr<const ir::Graph> graph_;
  plan::PlanOptions base_;
  TuneOptions options_;
  plan::Timings& timings_;
  std::span<const ir::Value> example_;
  TuneReport report_;
};

}  // namespace slipway::engine
