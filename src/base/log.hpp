// The log sink: the library never prints; it hands finished lines to a callback that the program installs.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "base/format.hpp"

namespace slipway {

enum class LogLevel : uint8_t { debug, info, warning, error, off };
/// "debug", "info", ...
std::string_view name(LogLevel level);

/// Called from any thread, several at a time; must not throw. The text has no line end and is valid during the call only.
using LogSink = std::function<void(LogLevel, std::string_view)>;

/// Installs the process-wide sink; lines below `least` are dropped unformatted. An empty sink drops everything, as at the start.
/// A call of the former sink may still be in progress on another thread when this returns.
void set_log_sink(LogSink sink, LogLevel least = LogLevel::info);
/// True when a line of this level would reach the sink.
bool log_enabled(LogLevel level);
void log_line(LogLevel level, std::string_view text);

template <class... Args>
void log(LogLevel level, fmt::format_string<Args...> text, Args&&... args) {
  if (log_enabled(level)) log_line(level, fmt::format(text, std::forward<Args>(args)...));
}

}  // namespace slipway
