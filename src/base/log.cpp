#include "base/log.hpp"

#include <atomic>
#include <memory>
#include <mutex>

namespace slipway {
namespace {

struct State {
  std::mutex mutex;
  std::shared_ptr<const LogSink> sink;
  std::atomic<LogLevel> least{LogLevel::off};
};

State& state() {
  static State* const instance = new State;  // never destroyed: threads may log until the process ends
  return *instance;
}

}  // namespace

std::string_view name(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return "debug";
    case LogLevel::info:
      return "info";
    case LogLevel::warning:
      return "warning";
    case LogLevel::error:
      return "error";
    case LogLevel::off:
      break;
  }
  return "off";
}

void set_log_sink(LogSink sink, LogLevel least) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  s.least = sink ? least : LogLevel::off;
  s.sink = sink ? std::make_shared<const LogSink>(std::move(sink)) : nullptr;
}

bool log_enabled(LogLevel level) {
  return level >= state().least.load(std::memory_order_relaxed) && level != LogLevel::off;
}

void log_line(LogLevel level, std::string_view text) {
  State& s = state();
  std::shared_ptr<const LogSink> sink;
  {
    const std::lock_guard lock(s.mutex);
    sink = s.sink;
  }
  if (sink && log_enabled(level)) (*sink)(level, text);
}

}  // namespace slipway
