#include "base/knobs.hpp"

#include <charconv>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <set>
#include <type_traits>

#include "base/log.hpp"

namespace slipway {
namespace {

std::string_view environment(std::string_view name) {
  const char* text = std::getenv(std::string(name).c_str());
  return text == nullptr ? std::string_view() : std::string_view(text);
}

std::optional<std::string_view> parse(const Knob<std::string_view>&, std::string_view text) {
  return text;
}

std::optional<bool> parse(const Knob<bool>&, std::string_view text) {
  if (text == "1" || text == "on" || text == "true" || text == "yes") return true;
  if (text == "0" || text == "off" || text == "false" || text == "no") return false;
  return std::nullopt;
}

std::optional<int64_t> parse(const Knob<int64_t>& knob, std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < knob.least || value > knob.most) return std::nullopt;
  return value;
}

template <class T>
constexpr std::string_view type_name() {
  return std::is_same_v<T, bool> ? "on|off" : std::is_same_v<T, int64_t> ? "integer" : "word";
}

std::string text_of(std::string_view value) {
  return std::string(value);
}
std::string text_of(bool value) {
  return value ? "on" : "off";
}
std::string text_of(int64_t value) {
  return std::to_string(value);
}

void warn_once(std::string_view name, std::string_view text, std::string_view type, const std::string& fallback) {
  static std::mutex mutex;
  static std::set<std::string, std::less<>> warned;
  {
    const std::lock_guard lock(mutex);
    if (!warned.emplace(name).second) return;
  }
  log(LogLevel::warning, "environment variable {}='{}' is not a valid {}; using {}", name, text, type, fallback);
}

template <class T>
KnobEntry entry(const Knob<T>& knob) {
  const std::string_view text = environment(knob.name);
  const bool valid = !text.empty() && parse(knob, text).has_value();
  return {knob.name, type_name<T>(), knob.doc, text_of(knob.fallback), text_of(knob.get()), valid};
}

}  // namespace

template <class T>
T Knob<T>::get() const {
  const std::string_view text = environment(name);
  if (text.empty()) return fallback;
  const std::optional<T> value = parse(*this, text);
  if (!value) warn_once(name, text, type_name<T>(), text_of(fallback));
  return value.value_or(fallback);
}

template struct Knob<bool>;
template struct Knob<int64_t>;
template struct Knob<std::string_view>;

std::vector<KnobEntry> list_knobs() {
  return {entry(knobs::kMaxIsa),    entry(knobs::kThreads), entry(knobs::kSpinUs),
          entry(knobs::kHugePages), entry(knobs::kPerfMap), entry(knobs::kJit)};
}

}  // namespace slipway
