#include "plan/choose.hpp"

#include <algorithm>

#include "plan/timings.hpp"
#include "tactic/accepts.hpp"

namespace slipway::plan {
namespace {

/// A reference costs more than anything that is not one.
constexpr double kReferenceCost = 1e12;
constexpr double kReorderBytesPerUs = 8000;
constexpr double kReorderStartUs = 1;

bool asked(const tactic::Tactic& tactic, const tactic::Query& query) {
  return tactic.isa <= query.machine.isa && tactic::lists(tactic, *query.node.op);
}

/// What speaks for a candidate.
struct Price {
  bool wanted = false;
  double estimated_us = 0, measured_us = 0;  ///< reorders of inputs in the first only; 0: not measured
  double reorders_us = 0;                    ///< measured where known

  bool operator<(const Price& o) const {
    if (wanted != o.wanted) return wanted;
    if ((measured_us > 0) != (o.measured_us > 0)) return measured_us > 0;
    return measured_us > 0 ? measured_us + reorders_us < o.measured_us + o.reorders_us : estimated_us < o.estimated_us;
  }
};

Price price_of(const tactic::Query& query, const tactic::Verdict& verdict, const std::string& what, const PlanOptions& options,
               const tactic::Tactic& tactic) {
  Price price;
  price.estimated_us = verdict.cost_us;
  for (size_t i = 0; i < query.inputs.size(); ++i) {
    const tactic::TensorDesc& in = query.inputs[i];
    if (in.absent() || in.constant != nullptr || same_bytes(in.dims, in.format, verdict.input(i))) continue;
    const double estimated = reorder_cost_us(in);
    price.estimated_us += estimated;
    price.reorders_us += options.timings == nullptr
                             ? estimated
                             : options.timings->least(reorder_signature(in, verdict.input(i))).value_or(estimated);
  }
  if (options.timings != nullptr) price.measured_us = options.timings->find(what, tactic.name).value_or(0);
  return price;
}

}  // namespace

double reorder_cost_us(const tactic::TensorDesc& desc) {
  return kReorderStartUs + 2.0 * static_cast<double>(byte_size(desc.type, desc.dims.count())) / kReorderBytesPerUs;
}

bool same_bytes(const Dims& dims, tactic::Format a, tactic::Format b) {
  if (a == b) return true;
  if (dims.rank() < 2) return true;
  const bool one_pixel = dims.count(2, dims.rank()) == 1;
  const bool whole_blocks = dims[1] % 16 == 0;
  if (a == tactic::Format::blocked16 || b == tactic::Format::blocked16) return one_pixel && whole_blocks;
  return one_pixel || dims[1] == 1;  // plain and channels_last
}

uint64_t choice_key(const tactic::Query& query) {
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  const auto add_byte = [&](uint8_t byte) { hash = (hash ^ byte) * 0x100000001b3; };
  const auto add = [&](uint64_t word) {
    for (int i = 0; i < 8; ++i) add_byte(static_cast<uint8_t>(word >> (8 * i)));
  };
  const auto add_text = [&](std::string_view text) {
    for (const char c : text) add_byte(static_cast<uint8_t>(c));
    add_byte(0);
  };
  const auto add_tensor = [&](const tactic::TensorDesc& desc) {
    add_byte(static_cast<uint8_t>(desc.type));
    add_byte(static_cast<uint8_t>(desc.format));
    add(static_cast<uint64_t>(desc.dims.rank()));
    const int batch = desc.constant == nullptr && desc.dims.rank() >= 3 ? 0 : -1;
    for (int i = 0; i < desc.dims.rank(); ++i) add(i == batch ? 0 : static_cast<uint64_t>(desc.dims[i]));
  };
  add_text(query.node.op->name);
  add_text(query.node.name);
  for (const tactic::TensorDesc& desc : query.inputs) add_tensor(desc);
  for (const tactic::TensorDesc& desc : query.outputs) add_tensor(desc);
  return hash;
}

bool has_tactic(const tactic::Query& query, const PlanOptions& options) {
  return !options.references_only &&
         std::any_of(options.tactic_list->begin(), options.tactic_list->end(), [&](const tactic::Tactic& tactic) {
           return tactic.name != "ref" && asked(tactic, query) && tactic.judge(query).accepted;
         });
}

const Choice::Candidate* Choice::winner() const {
  const auto at = std::find_if(candidates.begin(), candidates.end(), [](const Candidate& c) { return c.chosen; });
  return at == candidates.end() ? nullptr : &*at;
}

Chosen choose(const tactic::Query& query, const PlanOptions& options, Choice* record) {
  const Choice* made = nullptr;
  if (options.made != nullptr && !options.made->empty() && !options.references_only && options.forced_tactic.empty()) {
    const auto at = options.made->find(choice_key(query));
    if (at != options.made->end()) made = &at->second;
  }
  const std::string_view preferred = made != nullptr && made->winner() != nullptr ? made->winner()->tactic : std::string_view();
  if (record == nullptr && !preferred.empty()) {
    for (const tactic::Tactic& tactic : *options.tactic_list) {
      if (tactic.name != preferred || !asked(tactic, query)) continue;
      tactic::Verdict verdict = tactic.judge(query);
      if (verdict.accepted) return {&tactic, std::move(verdict)};
    }
  }
  const bool measured = options.timings != nullptr || options.trial != nullptr;
  const std::string what = measured || record != nullptr ? signature(query) : std::string();
  std::string_view wanted = preferred;
  if (!options.forced_tactic.empty()) wanted = options.forced_tactic;
  if (options.trial != nullptr && options.trial->count(what) != 0) wanted = options.trial->at(what);
  Chosen best;
  Price best_price;
  size_t best_row = 0;
  for (const tactic::Tactic& tactic : *options.tactic_list) {
    if (!asked(tactic, query)) continue;
    const bool is_reference = tactic.name == "ref";
    if (options.references_only && !is_reference) continue;
    tactic::Verdict verdict = tactic.judge(query);
    Price price = verdict.accepted ? price_of(query, verdict, what, options, tactic) : Price();
    if (record != nullptr) {
      record->candidates.push_back({std::string(tactic.name), verdict.accepted, is_reference ? 0 : price.estimated_us,
                                    price.measured_us, verdict.reason, false});
    }
    price.wanted = tactic.name == wanted;
    if (is_reference) price.estimated_us += kReferenceCost;
    if (!verdict.accepted || (best.tactic != nullptr && !(price < best_price))) continue;
    best = {&tactic, std::move(verdict)};
    best_price = price;
    if (record != nullptr) best_row = record->candidates.size() - 1;
  }
  if (record == nullptr) return best;
  record->key = choice_key(query);
  record->signature = what;
  if (best.tactic != nullptr) record->candidates[best_row].chosen = true;
  for (Choice::Candidate& c : record->candidates) {
    for (const Choice::Candidate& earlier : made != nullptr ? made->candidates : std::vector<Choice::Candidate>()) {
      if (earlier.tactic == c.tactic && c.measured_us == 0) c.measured_us = earlier.measured_us;
    }
  }
  return best;
}

}  // namespace slipway::plan
