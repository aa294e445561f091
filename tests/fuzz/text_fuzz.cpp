// The text form: any text parses or is refused; what parsed is sound, and prints to a text that prints the same again.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "ir/text.hpp"
#include "ops/registry.hpp"

namespace {

void require(bool good, const char* what, const std::string& text) {
  if (good) return;
  std::fprintf(stderr, "%s:\n%s\n", what, text.c_str());
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace slipway;
  const Result<ir::Graph> graph = ir::parse({reinterpret_cast<const char*>(data), size}, ops::lookup);
  if (!graph) return 0;
  const Status sound = ir::verify(graph.value());
  require(sound.has_value(), "a parsed graph is not sound", sound ? "" : sound.error().text());
  const ir::PrintOptions options{.facts = false, .constant_limit = 4096};
  const std::string text = ir::print(graph.value(), options);
  if (text.find("{...}") != std::string::npos) return 0;
  const Result<ir::Graph> again = ir::parse(text, ops::lookup);
  require(again.has_value(), "a printed graph does not parse", again ? "" : again.error().text() + "\n" + text);
  require(ir::print(again.value(), options) == text, "a graph does not print the same again", text);
  return 0;
}
