// Tokenizer (com.microsoft): strings cut into tokens by separators, by what a token looks like, or into characters.
#include <algorithm>

#include "ops/moves.hpp"
#include "ops/regex.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

using regex::Pattern;
using Texts = std::vector<std::string_view>;

struct TokenizerAttrs {
  bool mark = false;  ///< the tokens of a string between \x02 and \x03
  int64_t mincharnum = 1;
  std::string pad_value;
  std::vector<std::string> separators;  ///< patterns; one empty string: characters
  std::string tokenexp;
  bool operator==(const TokenizerAttrs&) const = default;
  static constexpr auto fields() {
    using A = TokenizerAttrs;
    return std::tuple{field("mark", &A::mark, true), field("mincharnum", &A::mincharnum, true),
                      field("pad_value", &A::pad_value, true), field("separators", &A::separators),
                      field("tokenexp", &A::tokenexp)};
  }
  bool by_characters() const { return (separators.size() == 1 && separators[0].empty()) || tokenexp == "."; }
};

Result<std::vector<Pattern>> patterns(const TokenizerAttrs& a) {
  if (a.separators.empty() == a.tokenexp.empty())
    return Error(ErrorCode::invalid_model, "exactly one of separators and tokenexp must be given");
  if (a.mincharnum < 1) return fail(ErrorCode::invalid_model, "mincharnum is {}; at least 1 is expected", a.mincharnum);
  std::vector<Pattern> out;
  if (a.by_characters()) return out;
  if (!a.tokenexp.empty()) out.push_back(TRY(Pattern::compile(a.tokenexp)));
  for (const std::string& separator : a.separators) {
    if (separator.empty()) return Error(ErrorCode::invalid_model, "a separator among others is empty");
    out.push_back(TRY(Pattern::compile(separator)));
  }
  return out;
}

Status infer(InferContext& c) {
  TRY(patterns(c.attrs<TokenizerAttrs>()));
  std::optional<Shape> out;
  if (const Shape* x = c.shape(0)) {
    if (x->size() != 1 && x->size() != 2)
      return fail(ErrorCode::invalid_model, "the input has {} axes; [C] or [N,C] is expected", x->size());
    out = *x;
    if (!std::count(x->begin(), x->end(), Dim(0))) out->push_back(Dim::unknown());
    if (std::any_of(x->begin(), x->end(), [](Dim d) { return !d.known(); })) out.reset();  // without elements no axis is added
  }
  c.set(0, ElementType::string, std::move(out));
  return {};
}

int64_t characters(std::string_view text) {
  int64_t count = 0;
  for (size_t at = 0; at < text.size(); ++count) next_code_point(text, at);
  return count;
}

/// A match: where it begins and ends; begin npos when there is none from `from` on.
struct Match {
  size_t begin, end;
};
Match first_match(const Pattern& pattern, std::string_view text, size_t from) {
  for (size_t at = from; at <= text.size();) {
    const size_t end = pattern.longest(text, at);
    if (end != text.npos) return {at, end};
    if (at == text.size()) break;
    next_code_point(text, at);
  }
  return {text.npos, text.npos};
}

Texts into_characters(std::string_view text) {
  Texts out;
  for (size_t at = 0; at < text.size();) {
    const size_t start = at;
    next_code_point(text, at);
    out.push_back(text.substr(start, at - start));
  }
  return out;
}

Texts cut(const Pattern& separator, std::string_view text, int64_t least) {
  Texts out;
  const auto keep = [&](std::string_view token) {
    if (characters(token) >= least) out.push_back(token);
  };
  size_t start = 0;
  for (size_t from = 0; from <= text.size();) {
    const Match m = first_match(separator, text, from);
    if (m.begin == text.npos) break;
    from = m.end;
    if (m.end == m.begin) {  // nothing separates nothing
      if (from == text.size()) break;
      next_code_point(text, from);
      continue;
    }
    keep(text.substr(start, m.begin - start));
    start = m.end;
  }
  keep(text.substr(start));
  return out;
}

Texts find(const Pattern& token, std::string_view text, int64_t least) {
  Texts out;
  for (size_t from = 0; from < text.size();) {
    const Match m = first_match(token, text, from);
    if (m.begin == text.npos) break;
    if (m.end > m.begin && characters(text.substr(m.begin, m.end - m.begin)) >= least)
      out.push_back(text.substr(m.begin, m.end - m.begin));
    from = m.end;
    if (m.end == m.begin && from < text.size()) next_code_point(text, from);
  }
  return out;
}

Texts tokens_of(const TokenizerAttrs& a, const std::vector<Pattern>& all, std::string_view text) {
  if (a.by_characters()) return into_characters(text);
  if (!a.tokenexp.empty()) return find(all[0], text, a.mincharnum);
  Texts row{text};
  for (const Pattern& separator : all) {
    Texts next;
    for (std::string_view part : row) {
      const Texts pieces = cut(separator, part, a.mincharnum);
      next.insert(next.end(), pieces.begin(), pieces.end());
    }
    row = std::move(next);
  }
  return row;
}

Status run(RefContext& c) {
  const auto& a = c.attrs<TokenizerAttrs>();
  TRY(actual_facts(c));
  const std::vector<Pattern> all = TRY(patterns(a));
  const Tensor& x = c.in(0);
  if (x.count() == 0) {
    c.out(0, ElementType::string, x.dims());
    return {};
  }
  std::vector<Texts> rows;
  size_t most = 0;
  for (int64_t i = 0; i < x.count(); ++i) {
    rows.push_back(tokens_of(a, all, x.as<std::string>()[i]));
    most = std::max(most, rows.back().size());
  }
  const size_t width = most == 0 ? 0 : most + (a.mark ? 2 : 0);
  Dims dims = x.dims();
  dims.push_back(static_cast<int64_t>(width));
  TRY(check_size(Shape(dims.begin(), dims.end())));
  Tensor y = c.out(0, ElementType::string, dims);
  for (size_t r = 0; r < rows.size() && width > 0; ++r) {
    std::string* to = y.as<std::string>() + r * width;
    std::fill_n(to, width, a.pad_value);
    if (a.mark) *to++ = "\x02";
    for (std::string_view token : rows[r]) *to++ = token;
    if (a.mark) *to = "\x03";
  }
  return {};
}

std::vector<Sample> samples() {
  using A = TokenizerAttrs;
  const Tensor texts = sample::strings({2}, {"Hello World", "I love computer science !"});
  return {{"separators", A{false, 1, "#", {" "}, ""}, {{texts}}},
          {"marked", A{true, 2, "", {" ", "[oe]"}, ""}, {{texts}}},
          {"pattern", A{false, 1, "-", {}, "[a-z]+"}, {{texts}}},
          {"characters", A{true, 1, "", {""}, ""}, {{sample::strings({1, 2}, {"a\xc3\xa9", "b"})}}},
          {"nothing_left", A{false, 1, "", {"x"}, ""}, {{sample::strings({2}, {"x", ""})}}}};
}

}  // namespace

OpFamily tokenizer() {
  return {Op("Tokenizer", {1}, "com.microsoft")
              .attrs<TokenizerAttrs>()
              .in("X", kString)
              .out("Y", kString)
              .flag(ir::OpInfo::kDataDependent)
              .infer(infer)
              .reference(run)
              .samples(samples)
              .doc("Strings cut into tokens.")};
}

}  // namespace slipway::ops
