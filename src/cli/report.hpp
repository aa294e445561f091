// One HTML page about a model on this machine: where the time goes, how far each step is from its roof, what else was possible.
#pragma once

#include <string>

#include "base/error.hpp"
#include "cli/profile.hpp"
#include "engine/engine.hpp"

namespace slipway::cli {

/// Writes a page that needs nothing but itself. With plans made under Options::explain it names every tactic that was judged.
Status write_report(const engine::Engine& engine, const std::string& model, const Profile& profile, const std::string& path);

}  // namespace slipway::cli
