// RegexFullMatch.
#include "ops/moves.hpp"
#include "ops/regex.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

using regex::Pattern;

struct RegexFullMatchAttrs {
  std::string pattern;
  bool operator==(const RegexFullMatchAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("pattern", &RegexFullMatchAttrs::pattern)}; }
};

Status infer_regex(InferContext& c) {
  TRY(Pattern::compile(c.attrs<RegexFullMatchAttrs>().pattern));
  const Shape* in = c.shape(0);
  c.set(0, ElementType::boolean, in == nullptr ? std::nullopt : std::optional<Shape>(*in));
  return {};
}

Status run_regex(RefContext& c) {
  const Pattern program = TRY(Pattern::compile(c.attrs<RegexFullMatchAttrs>().pattern));
  const Tensor& x = c.in(0);
  Tensor y = c.out(0, ElementType::boolean, x.dims());
  for (int64_t i = 0; i < x.count(); ++i) y.as<uint8_t>()[i] = program.matches(x.as<std::string>()[i]) ? 1 : 0;
  return {};
}

std::vector<Sample> samples() {
  using sample::strings;
  const auto with = [](std::string pattern, Tensor texts) {
    return Sample{"", RegexFullMatchAttrs{std::move(pattern)}, {{std::move(texts)}}};
  };
  std::vector<Sample> out = {
      with(R"(www\.[\w.-]+\.\bcom\b)", strings({3}, {"www.google.com", "www.a.com", "www.bbc.co.uk"})),
      with(R"((\W|^)[\w.\-]{0,25}@(yahoo|gmail)\.com(\W|$))", strings({2}, {"account@gmail.com", "not email"})),
      with("(?i)a[^b-d]*?|", strings({3}, {"AEE", "", "ab"})),
      with("(a*)*b", strings({2, 1}, {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "aab"})),
      with("\xc3\xa9.{2}", strings({2}, {"\xc3\xa9\xc3\xa9x", "\xc3\xa9x"}))};
  for (size_t i = 0; i < out.size(); ++i) out[i].label = "pattern" + std::to_string(i);
  return out;
}

}  // namespace

OpFamily string_regex() {
  return {Op("RegexFullMatch", {20})
              .attrs<RegexFullMatchAttrs>()
              .in("X", kString, 'X')
              .out("Y", kBool, 'Y')
              .infer(infer_regex)
              .reference(run_regex)
              .samples(samples)
              .doc("Whether the whole of each string matches a regular expression (RE2's syntax).")};
}

}  // namespace slipway::ops
