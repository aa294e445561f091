// All operators, found by name. Families are found by file name (see op.hpp); the table is generated.
#pragma once

#include <span>
#include <string>

#include "ops/op.hpp"

namespace slipway::ops {

/// The generated table: one function per file in src/ops.
std::span<OpFamily (*const)()> families();

/// The operator, or nullptr. Domains: "" is ai.onnx. Thread-safe; the reference lives as long as the process.
const Op* find(std::string_view domain, std::string_view name);
/// find() as the ir layer wants it.
const ir::OpInfo* lookup(std::string_view domain, std::string_view name);
/// The operator that must exist; aborts on a misspelt name (a defect of slipway, seen by the first test).
const Op* get(std::string_view name, std::string_view domain = "");
/// Every operator, sorted by domain and name.
const std::vector<const Op*>& all();
/// Known names near `name` in the same domain (small edit distance), for error sentences.
std::vector<std::string> near_names(std::string_view domain, std::string_view name);

/// The full description behind a node's op.
inline const Op& op_of(const ir::Node& node) {
  return *static_cast<const Op*>(node.op);
}

}  // namespace slipway::ops
