#include "import/onnx/problems.hpp"

#include "base/format.hpp"
#include "import/onnx/limits.hpp"
#include "ops/registry.hpp"

namespace slipway::import::onnx {
namespace {

constexpr size_t kShownNameBytes = 120, kShownTextBytes = 600;

/// Names come from the file: no line breaks or other control characters, and no page-long ones.
std::string shown(std::string_view text, size_t limit = kShownNameBytes) {
  std::string out(text.substr(0, limit));
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  if (text.size() > limit) out += "...";
  return out;
}

std::string joined(const std::vector<std::string>& parts, std::string_view between) {
  std::string out;
  for (const std::string& part : parts) out.append(out.empty() ? "" : between).append(part);
  return out;
}

std::string operator_name(std::string_view domain, std::string_view op_type) {
  return domain.empty() ? shown(op_type) : fmt::format("{} of domain '{}'", shown(op_type), shown(domain));
}

}  // namespace

void Problems::add(Group group, std::string_view what, ErrorCode code, std::string_view place) {
  const auto key = std::pair(group, shown(what, kShownTextBytes));
  auto at = problems_.find(key);
  if (at == problems_.end()) {
    if (problems_.size() == kMaxProblems) {
      ++untold_;
      return;
    }
    at = problems_.emplace(key, Problem{code, {}, 0}).first;
  }
  ++at->second.count;
  if (at->second.places.size() < kMaxNamesPerProblem) at->second.places.push_back(shown(place));
}

void Problems::unknown_operator(std::string_view domain, std::string_view op_type, std::string_view node) {
  const std::string name = operator_name(domain, op_type);
  auto at = unknown_.find(name);
  if (at == unknown_.end()) {
    if (unknown_.size() == kMaxProblems) {
      ++untold_;
      return;
    }
    const std::vector<std::string> near = ops::near_names(domain, op_type);
    std::string hint = near.empty() ? "" : fmt::format(" (is {} meant?)", joined(near, " or "));
    if (op_type == "ATen") hint = " (it calls PyTorch by name: export the model again without the ATen fallback)";
    at = unknown_.emplace(name, name + hint).first;
  }
  add(Group::unknown, at->second, ErrorCode::unsupported, node);
}

void Problems::version(std::string_view domain, std::string_view op_type, int64_t opset, int64_t oldest, std::string_view node) {
  add(Group::version, fmt::format("{} as opset {} has it (known from {} on)", operator_name(domain, op_type), opset, oldest),
      ErrorCode::unsupported, node);
}

void Problems::type(std::string_view op_type, const Error& error, std::string_view node) {
  add(Group::type, fmt::format("{}: {}", shown(op_type), error.text()), error.code, node);
}

void Problems::other(const Error& error, std::string_view where) {
  add(Group::other, error.text(), error.code, where);
}

Error Problems::error() const {
  static constexpr std::string_view kHeads[] = {
      "unknown operators: ", "operator versions that slipway does not read: ", "types: ", ""};
  std::string text = "the model cannot be imported: ";
  bool one_code = true, any_invalid = false, any_unknown = false;
  const ErrorCode first = problems_.begin()->second.code;
  const std::pair<Group, std::string>* previous = nullptr;
  for (const auto& [key, problem] : problems_) {
    one_code = one_code && problem.code == first;
    any_invalid = any_invalid || problem.code == ErrorCode::invalid_model;
    any_unknown = any_unknown || key.first == Group::unknown;
    if (previous != nullptr) text += "; ";
    if (previous == nullptr || previous->first != key.first) text += kHeads[static_cast<size_t>(key.first)];
    previous = &key;
    text += key.second;
    text += fmt::format(" in '{}'", joined(problem.places, "', '"));
    if (problem.count > problem.places.size()) text += fmt::format(" and {} more", problem.count - problem.places.size());
  }
  if (untold_ != 0) text += fmt::format("; and {} problems more", untold_);
  if (any_unknown) text += "; 'slipway ops' lists the operators that slipway knows";
  const ErrorCode code = one_code ? first : any_invalid ? ErrorCode::invalid_model : ErrorCode::unsupported;
  return Error(code, std::move(text));
}

}  // namespace slipway::import::onnx
