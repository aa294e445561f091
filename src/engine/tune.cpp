#include "engine/tune.hpp"

#include <algorithm>
#include <chrono>
#include <set>

#include "base/format.hpp"
#include "engine/checksum.hpp"

namespace slipway::engine {
namespace {

using Clock = std::chrono::steady_clock;

struct Effort {
  double rivals;         ///< up to this many times the best estimate
  size_t most_rivals;    ///< of one signature
  int passes;            ///< other formats than expected make other nodes: they are measured in the next pass
  int rounds;            ///< at most
  double round_seconds;  ///< of all rounds of a pass, three rounds at least
};
constexpr Effort kFast{4, 4, 2, 10, 8};
constexpr Effort kFull{20, 16, 4, 40, 60};
constexpr int kLeastRounds = 3;

const Effort& effort_of(Tuning tuning) {
  return tuning == Tuning::fast ? kFast : kFull;
}

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// The lower quartile: disturbances only add, but one lucky sample is no rule either.
double typical(std::vector<double> samples) {
  if (samples.empty()) return 0;
  const auto at = samples.begin() + static_cast<std::ptrdiff_t>(samples.size() / 4);
  std::nth_element(samples.begin(), at, samples.end());
  return *at;
}

double middle(std::vector<double> samples) {
  const auto at = samples.begin() + static_cast<std::ptrdiff_t>(samples.size() / 2);
  std::nth_element(samples.begin(), at, samples.end());
  return *at;
}

template <class F>
void each_choice(std::span<const std::shared_ptr<const plan::Plan>> plans, const F& f) {
  for (const auto& plan : plans) {
    for (const plan::Choice& choice : plan->choices) f(choice);
  }
}

/// Of all choices together: names what a whole run's time belongs to.
std::string whole_signature(std::span<const std::shared_ptr<const plan::Plan>> a,
                            std::span<const std::shared_ptr<const plan::Plan>> b) {
  std::string text;
  for (const auto plans : {a, b}) {
    each_choice(plans, [&](const plan::Choice& choice) {
      const plan::Choice::Candidate* winner = choice.winner();
      text += fmt::format("{} {};", choice.signature, winner == nullptr ? "" : winner->tactic);
    });
  }
  return fmt::format("Model|{:016x}", checksum(std::as_bytes(std::span(text))));
}

/// The winners by signature.
std::map<std::string, std::string> winners(std::span<const std::shared_ptr<const plan::Plan>> plans) {
  std::map<std::string, std::string> out;
  each_choice(plans, [&](const plan::Choice& choice) {
    if (choice.winner() != nullptr) out.emplace(choice.signature, choice.winner()->tactic);
  });
  return out;
}

}  // namespace

Tuner::Tuner(std::shared_ptr<const ir::Graph> graph, plan::PlanOptions base, const TuneOptions& options, plan::Timings& timings)
    : graph_(std::move(graph)), base_(std::move(base)), options_(options), timings_(timings) {
  base_.record = true;
  base_.made = nullptr;
}

void Tuner::say(const std::string& what) const {
  if (options_.progress) options_.progress(what);
}

Result<std::unique_ptr<Tuner::Trial>> Tuner::make_trial(const plan::Timings* timings, Takes takes) {
  auto trial = std::make_unique<Trial>();
  trial->takes = std::move(takes);
  plan::PlanOptions options = base_;
  options.timings = timings;
  options.trial = &trial->takes;
  trial->cache = std::make_shared<runtime::PlanCache>(std::move(options));
  trial->session = std::make_unique<runtime::Session>(graph_, trial->cache, base_.machine.threads);
  runtime::RunOptions run;
  run.plans = &trial->plans;
  TRY(trial->session->run(example_, trial->outputs, run));
  ++report_.trials;
  return trial;
}

Status Tuner::run_once(Trial& trial) {
  std::vector<runtime::StepTime> times;
  runtime::RunOptions run;
  run.profile = &times;
  const Clock::time_point start = Clock::now();
  TRY(trial.session->run(example_, trial.outputs, run));
  trial.runs.push_back(seconds_since(start) * 1e6);
  for (const runtime::StepTime& time : times) trial.steps[time.step].push_back(time.us);
  return {};
}

Status Tuner::run_rounds(std::span<const std::unique_ptr<Trial>> trials) {
  const Effort& effort = effort_of(options_.effort);
  const Clock::time_point start = Clock::now();
  for (int round = 0; round < effort.rounds; ++round) {
    if (round >= kLeastRounds && seconds_since(start) > effort.round_seconds) break;
    for (size_t i = 0; i < trials.size(); ++i) TRY(run_once(*trials[round % 2 == 0 ? i : trials.size() - 1 - i]));
  }
  return {};
}

Tuner::Missing Tuner::missing(const Trial& trial) {
  const Effort& effort = effort_of(options_.effort);
  Missing out;
  std::set<std::string> seen;
  size_t known = 0;
  each_choice(trial.plans, [&](const plan::Choice& choice) {
    if (!seen.insert(choice.signature).second) return;
    std::vector<const plan::Choice::Candidate*> rivals;
    for (const plan::Choice::Candidate& c : choice.candidates) {
      if (c.accepted && c.tactic != "ref") rivals.push_back(&c);
    }
    std::stable_sort(rivals.begin(), rivals.end(), [](const auto* a, const auto* b) { return a->cost_us < b->cost_us; });
    while (rivals.size() > effort.most_rivals ||
           (!rivals.empty() && rivals.back()->cost_us > effort.rivals * rivals.front()->cost_us)) {
      rivals.pop_back();
    }
    if (rivals.size() < 2) return;
    for (const plan::Choice::Candidate* c : rivals) {
      if (timings_.find(choice.signature, c->tactic)) {
        ++known;
      } else {
        out[choice.signature].push_back(c->tactic);
      }
    }
  });
  if (report_.measured == 0) report_.known = known;
  return out;
}

void Tuner::learn(std::span<const std::unique_ptr<Trial>> trials) {
  std::map<std::pair<std::string, std::string>, std::vector<double>> times;
  for (const auto& trial : trials) {
    for (const auto& [step, samples] : trial->steps)
      times[{step->signature, std::string(step->tactic)}].push_back(typical(samples));
  }
  for (const auto& [what, us] : times) {
    if (timings_.find(what.first, what.second)) continue;
    timings_.add(what.first, what.second, middle(us));
    ++report_.measured;
  }
}

Status Tuner::measure_rivals() {
  for (int pass = 0; pass < effort_of(options_.effort).passes; ++pass) {
    say("planning");
    std::vector<std::unique_ptr<Trial>> trials;
    trials.push_back(TRY(make_trial(&timings_, {})));
    const Missing rivals = missing(*trials.front());
    if (rivals.empty()) return {};
    size_t most = 0;
    for (const auto& [signature, tactics] : rivals) most = std::max(most, tactics.size());
    for (size_t i = 0; i < most; ++i) {
      Takes takes;
      for (const auto& [signature, tactics] : rivals) {
        if (i < tactics.size()) takes.emplace(signature, tactics[i]);
      }
      say(fmt::format("planning trial {} of {}", i + 1, most));
      trials.push_back(TRY(make_trial(&timings_, std::move(takes))));
    }
    say(fmt::format("measuring {} plans in turns", trials.size()));
    TRY(run_rounds(trials));
    learn(trials);
  }
  return {};
}

Status Tuner::choose_whole(TuneReport& report) {
  std::vector<std::unique_ptr<Trial>> both;
  both.push_back(TRY(make_trial(nullptr, {})));
  Takes estimated = winners(both[0]->plans);
  both.push_back(TRY(make_trial(&timings_, {})));
  const std::string signature = whole_signature(both[0]->plans, both[1]->plans);
  const bool same = estimated == winners(both[1]->plans);
  if (!same && !(timings_.find(signature, "estimated") && timings_.find(signature, "measured"))) {
    say("comparing the whole");
    TRY(run_rounds(both));
    timings_.add(signature, "estimated", typical(both[0]->runs));
    timings_.add(signature, "measured", typical(both[1]->runs));
    report.measured += 2;
  }
  if (!same) {
    report.estimated_us = *timings_.find(signature, "estimated");
    report.tuned_us = *timings_.find(signature, "measured");
    if (report.tuned_us >= report.estimated_us) {
      report.tuned_us = report.estimated_us;
      both[1] = TRY(make_trial(&timings_, std::move(estimated)));
    }
  }
  each_choice(both[1]->plans, [&](const plan::Choice& choice) { report.choices.insert_or_assign(choice.key, choice); });
  return {};
}

Result<TuneReport> Tuner::run(std::span<const ir::Value> example) {
  const Clock::time_point start = Clock::now();
  example_ = example;
  report_ = {};
  TRY(measure_rivals());
  TRY(choose_whole(report_));
  report_.seconds = seconds_since(start);
  return std::move(report_);
}

}  // namespace slipway::engine
