// Runs every .case file under this folder: a graph, the passes to run on it, and the graph that must come out. Both graphs are
// also run by the references on the same random inputs, so that a wrong rewrite fails even where the expected text agrees with
// it; and so is what the whole pipeline makes of the graph.
//
//   # What the case shows.
//   pass gelu                     one line per pass, run in this order until nothing changes
//   declines no constant          optional: a pass must decline with a reason that contains this
//   bind N=3 L=5                  optional: extents of symbols for the run (else 2, 3, 4, ...)
//   tolerance 1e-5                optional: relative to the largest output
//   show facts                    optional: the graphs are printed with what is known of each value
//   == before
//   ...
//   == after                      'unchanged', or the printed graph
//
// With SLIPWAY_UPDATE_CASES=1 in the environment the last section is written anew.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "ir/text.hpp"
#include "ops/evaluate.hpp"
#include "ops/registry.hpp"
#include "ops/sample.hpp"
#include "passes/pipeline.hpp"

namespace slipway::passes {
namespace {

namespace fs = std::filesystem;

struct Case {
  fs::path path;
  std::string head;  ///< everything up to and with the line "== after"
  std::vector<std::string> passes;
  std::string declines, before, after;
  std::map<std::string, int64_t> bind;
  double tolerance = 1e-5;
  bool facts = false;
};

std::string trimmed(const std::string& s) {
  const auto from = s.find_first_not_of(" \n"), to = s.find_last_not_of(" \n");
  return from == std::string::npos ? "" : s.substr(from, to - from + 1);
}

Case read_case(const fs::path& path) {
  Case c;
  c.path = path;
  std::ifstream file(path);
  std::string line, *section = nullptr;
  while (std::getline(file, line)) {
    if (section != &c.after) c.head += line + "\n";
    if (line == "== before" || line == "== after") {
      section = line == "== before" ? &c.before : &c.after;
    } else if (section != nullptr) {
      *section += line + "\n";
    } else if (!line.empty() && line[0] != '#') {
      std::istringstream words(line);
      std::string key, word;
      words >> key;
      if (key == "pass") {
        words >> word;
        c.passes.push_back(word);
      } else if (key == "declines") {
        c.declines = trimmed(line.substr(key.size()));
      } else if (key == "tolerance") {
        words >> c.tolerance;
      } else if (line == "show facts") {
        c.facts = true;
      } else if (key == "bind") {
        while (words >> word) c.bind[word.substr(0, word.find('='))] = std::stoll(word.substr(word.find('=') + 1));
      } else {
        ADD_FAILURE() << path << ": unknown line '" << line << "'";
      }
    }
  }
  return c;
}

std::vector<ir::Value> random_inputs(const ir::Graph& graph, const Case& c) {
  std::vector<ir::Value> out;
  for (ir::ValueId v : graph.inputs()) {
    const ir::Fact& fact = graph.value(v).fact;
    Dims dims;
    for (ir::Dim d : *fact.shape) {
      int64_t extent = d.known() ? d.value() : 2;
      if (d.is_symbol()) {
        const auto bound = c.bind.find(graph.symbols[static_cast<size_t>(d.symbol_index())]);
        extent = bound != c.bind.end() ? bound->second : 2 + d.symbol_index();
      }
      dims.push_back(extent);
    }
    out.push_back(ops::sample::random(fact.type, dims, is_integer(fact.type) ? 0 : -2, 2, out.size() + 1));
  }
  return out;
}

void expect_close(const Tensor& want, const Tensor& got, double tolerance) {
  ASSERT_EQ(want.type(), got.type());
  ASSERT_EQ(want.dims(), got.dims()) << to_string(want.dims()) << " and " << to_string(got.dims());
  if (!is_float(want.type())) {
    EXPECT_TRUE(want.same_bytes(got)) << "integers differ";
    return;
  }
  double scale = 1e-30;
  for (int64_t i = 0; i < want.count(); ++i) {
    const double size = std::abs(ops::load<double>(want, i));
    if (std::isfinite(size)) scale = std::max(scale, size);
  }
  for (int64_t i = 0; i < want.count(); ++i) {
    const double a = ops::load<double>(want, i), b = ops::load<double>(got, i);
    if (a == b || (std::isnan(a) && std::isnan(b))) continue;
    ASSERT_LE(std::abs(a - b), tolerance * scale) << "element " << i << ": " << a << " became " << b;
  }
}

void expect_same_answers(const ir::Graph& before, const ir::Graph& after, const Case& c, const char* what) {
  SCOPED_TRACE(what);
  const std::vector<ir::Value> inputs = random_inputs(before, c);
  const auto want = ops::evaluate(before, inputs), got = ops::evaluate(after, inputs);
  ASSERT_TRUE(want) << want.error().text();
  ASSERT_TRUE(got) << got.error().text();
  ASSERT_EQ(want->size(), got->size());
  for (size_t i = 0; i < want->size(); ++i) {
    ASSERT_NE((*got)[i].tensor(), nullptr);
    expect_close(*(*want)[i].tensor(), *(*got)[i].tensor(), c.tolerance);
  }
}

std::string printed(const ir::Graph& graph, bool facts) {
  ir::PrintOptions options;
  options.facts = facts;
  return trimmed(ir::print(graph, options));
}

void run_case(const Case& c) {
  auto before = ir::parse(c.before, ops::lookup);
  ASSERT_TRUE(before) << before.error().text();
  Stage stage{{}, kManyRounds, true};
  for (const std::string& name : c.passes) {
    const Pass* pass = find_pass(name);
    ASSERT_NE(pass, nullptr) << "there is no pass '" << name << "'";
    stage.passes.push_back(*pass);
  }
  ASSERT_FALSE(stage.passes.empty()) << "no pass is named";
  ir::Graph after = *before;
  const auto report = run_stages(after, std::span(&stage, 1), {});
  ASSERT_TRUE(report) << report.error().text();
  EXPECT_TRUE(report->settled);

  const std::string was = printed(*before, c.facts), is = printed(after, c.facts);
  const bool unchanged = was == is;
  if (std::getenv("SLIPWAY_UPDATE_CASES") != nullptr) {
    std::ofstream(c.path) << c.head << (unchanged ? "unchanged" : is) << "\n";
  } else {
    EXPECT_EQ(trimmed(c.after), unchanged ? "unchanged" : is);
  }
  bool declined = c.declines.empty();
  std::string reasons;
  for (const PassReport& pass : report->passes) {
    for (const Declined& d : pass.declined) {
      declined = declined || d.reason.find(c.declines) != std::string::npos;
      reasons += d.node + ": " + d.reason + "\n";
    }
  }
  EXPECT_TRUE(declined) << "no pass declined because of '" << c.declines << "'; the reasons were:\n" << reasons;

  expect_same_answers(*before, after, c, "after the passes of the case");
  ir::Graph all = *before;
  const auto whole = run(all);
  ASSERT_TRUE(whole) << whole.error().text();
  EXPECT_TRUE(whole->settled);
  expect_same_answers(*before, all, c, "after the whole pipeline");
}

class CaseTest : public testing::TestWithParam<fs::path> {};

TEST_P(CaseTest, Holds) {
  run_case(read_case(GetParam()));
}

std::vector<fs::path> all_cases() {
  std::vector<fs::path> out;
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(SLIPWAY_TEST_DATA) / "cases")) {
    if (entry.path().extension() == ".case") out.push_back(entry.path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::string case_name(const testing::TestParamInfo<fs::path>& info) {
  std::string name = info.param.parent_path().filename().string() + "_" + info.param.stem().string();
  std::replace_if(
      name.begin(), name.end(), [](char ch) { return std::isalnum(static_cast<unsigned char>(ch)) == 0; }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(All, CaseTest, testing::ValuesIn(all_cases()), case_name);

TEST(Cases, EveryPassHasThree) {
  std::map<std::string, int> count;
  for (const fs::path& path : all_cases()) {
    for (const std::string& pass : read_case(path).passes) ++count[pass];
  }
  for (const Stage& stage : pipeline()) {
    for (const Pass& pass : stage.passes) EXPECT_GE(count[std::string(pass.name)], 3) << "cases for pass " << pass.name;
  }
}

}  // namespace
}  // namespace slipway::passes
