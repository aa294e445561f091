// Of the library as a whole: version, errors, names, the log.
#include <cstring>

#include "base/cpu.hpp"
#include "base/log.hpp"
#include "capi/handles.hpp"

namespace slipway::capi {
namespace {

thread_local std::string last_error;

}  // namespace

slipway_status failed(slipway_status status, const char* text) noexcept {
  try {
    last_error = text;
  } catch (...) {
    last_error.clear();
  }
  return status;
}

slipway_status failed(const Error& error) noexcept {
  const auto status = static_cast<slipway_status>(static_cast<int>(error.code) + 1);
  try {
    last_error = error.text();
  } catch (...) {
    last_error.clear();
  }
  return status;
}

static_assert(static_cast<int>(ErrorCode::invalid_argument) + 1 == SLIPWAY_INVALID_ARGUMENT);
static_assert(static_cast<int>(ErrorCode::internal) + 1 == SLIPWAY_INTERNAL);
static_assert(static_cast<int>(ElementType::i2) == SLIPWAY_I2 && kMaxRank == SLIPWAY_MAX_RANK);

}  // namespace slipway::capi

extern "C" {

const char* slipway_version(void) noexcept {
  return SLIPWAY_VERSION;
}

const char* slipway_cpu_isa(void) noexcept {
  return slipway::name(slipway::detected_isa()).data();
}

const char* slipway_last_error(void) noexcept {
  return slipway::capi::last_error.c_str();
}

const char* slipway_status_name(slipway_status status) noexcept {
  if (status == SLIPWAY_OK) return "ok";
  if (status == SLIPWAY_NO_MEMORY) return "no_memory";
  if (status < SLIPWAY_OK || status > SLIPWAY_INTERNAL) return "unknown";
  return slipway::name(static_cast<slipway::ErrorCode>(status - 1)).data();
}

const char* slipway_type_name(slipway_type type) noexcept {
  if (type < SLIPWAY_F32 || type > SLIPWAY_I2) return "undefined";
  return slipway::name(static_cast<slipway::ElementType>(type)).data();
}

int32_t slipway_type_bits(slipway_type type) noexcept {
  return type < SLIPWAY_F32 || type > SLIPWAY_I2 ? 0 : slipway::bits(static_cast<slipway::ElementType>(type));
}

slipway_status slipway_set_log(slipway_log_function function, slipway_log_level least, void* user) noexcept {
  return slipway::capi::guard([&]() -> slipway::Status {
    slipway::LogSink sink;
    if (function != nullptr) {
      sink = [function, user](slipway::LogLevel level, std::string_view text) {
        function(static_cast<slipway_log_level>(level), std::string(text).c_str(), user);
      };
    }
    slipway::set_log_sink(std::move(sink), static_cast<slipway::LogLevel>(least));
    return {};
  });
}
}
