#include "ops/registry.hpp"

#include <algorithm>
#include <cstdlib>
#include <map>

namespace slipway::ops {
namespace {

using Key = std::pair<std::string_view, std::string_view>;

struct Registry {
  std::vector<OpFamily> families;
  std::map<Key, const Op*> by_name;
  std::vector<const Op*> sorted;

  Registry() {
    for (OpFamily (*family)() : ops::families()) families.push_back(family());
    for (const OpFamily& family : families) {
      for (const Op& op : family) {
        if (!by_name.emplace(Key{op.domain, op.name}, &op).second) std::abort();  // two families claim one name
      }
    }
    for (const auto& [key, op] : by_name) sorted.push_back(op);
  }
};

const Registry& registry() {
  static const Registry instance;
  return instance;
}

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0]++;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row.back();
}

}  // namespace

const Op* find(std::string_view domain, std::string_view name) {
  if (domain == "ai.onnx") domain = "";
  const auto& table = registry().by_name;
  const auto at = table.find(Key{domain, name});
  return at == table.end() ? nullptr : at->second;
}

const ir::OpInfo* lookup(std::string_view domain, std::string_view name) {
  return find(domain, name);
}

const Op* get(std::string_view name, std::string_view domain) {
  const Op* op = find(domain, name);
  if (op == nullptr) std::abort();
  return op;
}

const std::vector<const Op*>& all() {
  return registry().sorted;
}

std::vector<std::string> near_names(std::string_view domain, std::string_view name) {
  constexpr size_t kLongestName = 64;
  std::vector<std::string> out;
  if (name.size() > kLongestName) return out;
  for (const Op* op : all()) {
    if (op->domain == domain && edit_distance(op->name, name) <= std::max<size_t>(1, name.size() / 4)) out.emplace_back(op->name);
  }
  return out;
}

}  // namespace slipway::ops
