// StringConcat, StringSplit, StringNormalizer.
#include <algorithm>

#include "ops/code_points.hpp"
#include "ops/moves.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

// ---- StringConcat

Status infer_concat(InferContext& c) {
  const Shape *x = c.shape(0), *y = c.shape(1);
  std::optional<Shape> out;
  if (x != nullptr && y != nullptr) out = TRY(broadcast(*x, *y));
  c.set(0, ElementType::string, std::move(out));
  return {};
}

Status run_concat(RefContext& c) {
  const Tensor &x = c.in(0), &y = c.in(1);
  Tensor out = c.out(0, ElementType::string, TRY(actual_dims(c)));
  walk<2>(out.dims(), {broadcast_strides(x.dims(), out.dims()), broadcast_strides(y.dims(), out.dims())},
          [&](int64_t n, const auto& at) { out.as<std::string>()[n] = x.as<std::string>()[at[0]] + y.as<std::string>()[at[1]]; });
  return {};
}

// ---- StringSplit

struct StringSplitAttrs {
  std::string delimiter;            ///< empty: runs of white space
  std::optional<int64_t> maxsplit;  ///< absent: as often as possible
  bool operator==(const StringSplitAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("maxsplit", &StringSplitAttrs::maxsplit), field("delimiter", &StringSplitAttrs::delimiter)};
  }
};

constexpr std::string_view kSpace = " \t\n\r\f\v";

std::vector<std::string> split_words(std::string_view text, uint64_t most) {
  std::vector<std::string> out;
  for (size_t at = text.find_first_not_of(kSpace); at < text.size(); at = text.find_first_not_of(kSpace)) {
    text.remove_prefix(at);
    const size_t end = out.size() == most ? text.find_last_not_of(kSpace) + 1 : std::min(text.find_first_of(kSpace), text.size());
    out.emplace_back(text.substr(0, end));
    text.remove_prefix(out.size() > most ? text.size() : end);
  }
  return out;
}

std::vector<std::string> split_at(std::string_view text, std::string_view delimiter, uint64_t most) {
  std::vector<std::string> out;
  if (text.empty()) return out;
  for (size_t end; out.size() < most && (end = text.find(delimiter)) != text.npos; text.remove_prefix(end + delimiter.size())) {
    out.emplace_back(text.substr(0, end));
  }
  out.emplace_back(text);
  return out;
}

Status infer_split(InferContext& c) {
  std::optional<Shape> pieces, counts;
  if (const Shape* in = c.shape(0)) {
    counts = pieces = *in;
    pieces->push_back(Dim::unknown());
    TRY(check_size(*pieces));
  }
  c.set(0, ElementType::string, std::move(pieces));
  c.set(1, ElementType::i64, std::move(counts));
  return {};
}

Status run_split(RefContext& c) {
  const auto& attrs = c.attrs<StringSplitAttrs>();
  const Tensor& x = c.in(0);
  TRY(actual_facts(c));
  const uint64_t most = attrs.maxsplit && *attrs.maxsplit >= 0 ? static_cast<uint64_t>(*attrs.maxsplit) : UINT64_MAX;
  std::vector<std::vector<std::string>> rows;
  size_t width = 0;
  for (int64_t i = 0; i < x.count(); ++i) {
    const std::string& text = x.as<std::string>()[i];
    rows.push_back(attrs.delimiter.empty() ? split_words(text, most) : split_at(text, attrs.delimiter, most));
    width = std::max(width, rows.back().size());
  }
  Dims dims = x.dims();
  dims.push_back(static_cast<int64_t>(width));
  TRY(check_size(Shape(dims.begin(), dims.end())));
  Tensor pieces = c.out(0, ElementType::string, dims), counts = c.out(1, ElementType::i64, x.dims());
  for (size_t i = 0; i < rows.size(); ++i) {
    counts.as<int64_t>()[i] = static_cast<int64_t>(rows[i].size());
    std::move(rows[i].begin(), rows[i].end(), pieces.as<std::string>() + i * width);
  }
  return {};
}

// ---- StringNormalizer

struct StringNormalizerAttrs {
  std::string case_change_action = "NONE";  ///< LOWER | UPPER | NONE
  bool is_case_sensitive = false;           ///< of the comparison with the stop words
  std::vector<std::string> stopwords;
  std::string locale;  ///< only the character set matters, and that is UTF-8
  bool operator==(const StringNormalizerAttrs&) const = default;
  static constexpr auto fields() {
    using A = StringNormalizerAttrs;
    return std::tuple{field("stopwords", &A::stopwords), field("locale", &A::locale),
                      field("is_case_sensitive", &A::is_case_sensitive), field("case_change_action", &A::case_change_action)};
  }
};

std::string change_case(std::string_view text, bool upper) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    char32_t code = next_code_point(text, at);
    code = upper ? to_upper(code) : to_lower(code);
    append_code_point(out, code);
  }
  return out;
}

Status infer_normalizer(InferContext& c) {
  const std::string& action = c.attrs<StringNormalizerAttrs>().case_change_action;
  if (action != "LOWER" && action != "UPPER" && action != "NONE") {
    return fail(ErrorCode::invalid_model, "case_change_action '{}' is not one of LOWER, UPPER, NONE", action);
  }
  std::optional<Shape> out;
  if (const Shape* in = c.shape(0)) {
    const bool row = in->size() == 2 && (!(*in)[0].known() || (*in)[0].value() == 1);
    if (in->size() != 1 && !row) return fail(ErrorCode::invalid_model, "the input must have the shape [C] or [1,C]");
    out = *in;
    out->back() = Dim::unknown();
  }
  c.set(0, ElementType::string, std::move(out));
  return {};
}

Status run_normalizer(RefContext& c) {
  const auto& attrs = c.attrs<StringNormalizerAttrs>();
  TRY(actual_facts(c));
  const Tensor& x = c.in(0);
  const auto folded = [&](std::string_view text) {
    return attrs.is_case_sensitive ? std::string(text) : change_case(text, false);
  };
  std::vector<std::string> stops, kept;
  for (const std::string& word : attrs.stopwords) stops.push_back(folded(word));
  for (int64_t i = 0; i < x.count(); ++i) {
    const std::string& text = x.as<std::string>()[i];
    if (std::find(stops.begin(), stops.end(), folded(text)) != stops.end()) continue;
    kept.push_back(attrs.case_change_action == "NONE" ? text : change_case(text, attrs.case_change_action == "UPPER"));
  }
  if (kept.empty()) kept.emplace_back();
  Dims dims = x.dims();
  dims[dims.rank() - 1] = static_cast<int64_t>(kept.size());
  Tensor y = c.out(0, ElementType::string, dims);
  std::move(kept.begin(), kept.end(), y.as<std::string>());
  return {};
}

using sample::strings;

std::vector<Sample> concat_samples() {
  return {{"same", NoAttrs{}, {{strings({2}, {"a", "b"})}, {strings({2}, {".x", ""})}}},
          {"broadcast", NoAttrs{}, {{strings({2, 1}, {"a", "b"})}, {strings({2}, {"1", "2"})}}},
          {"scalar", NoAttrs{}, {{strings({}, {"a"})}, {strings({}, {"\xc3\xa9"})}}}};
}
std::vector<Sample> split_samples() {
  const Tensor texts = strings({2}, {"a.b..c", "de"});
  return {{"delimiter", StringSplitAttrs{"."}, {{texts}}, 2},
          {"maxsplit", StringSplitAttrs{".", 1}, {{texts}}, 2},
          {"white_space", StringSplitAttrs{}, {{strings({2, 1}, {"  hello  world ", ""})}}, 2},
          {"empty", StringSplitAttrs{}, {{strings({0}, {})}}, 2}};
}
std::vector<Sample> normalizer_samples() {
  const Tensor days = strings({4}, {"Monday", "tuesday", "\xc3\x84rger", "monday"});
  return {{"lower", StringNormalizerAttrs{"LOWER"}, {{days}}},
          {"upper_without_stop_words", StringNormalizerAttrs{"UPPER", true, {"monday"}}, {{days}}},
          {"insensitive", StringNormalizerAttrs{"NONE", false, {"MONDAY"}}, {{days}}},
          {"nothing_left", StringNormalizerAttrs{"NONE", true, {"a"}}, {{strings({1, 2}, {"a", "a"})}}}};
}

}  // namespace

OpFamily string_text() {
  return {Op("StringConcat", {20})
              .in("X", kString)
              .in("Y", kString)
              .out("Z", kString)
              .infer(infer_concat)
              .reference(run_concat)
              .samples(concat_samples)
              .doc("Strings joined pair by pair, with broadcasting."),
          Op("StringSplit", {20})
              .attrs<StringSplitAttrs>()
              .in("X", kString)
              .out("Y", kString)
              .out("Z", types(ElementType::i64), 'I')
              .flag(ir::OpInfo::kDataDependent)
              .infer(infer_split)
              .reference(run_split)
              .samples(split_samples)
              .doc("Strings cut at a delimiter, and the number of pieces of each."),
          Op("StringNormalizer", {10})
              .attrs<StringNormalizerAttrs>()
              .in("X", kString)
              .out("Y", kString)
              .flag(ir::OpInfo::kDataDependent)
              .infer(infer_normalizer)
              .reference(run_normalizer)
              .samples(normalizer_samples)
              .doc("Strings without stop words, in upper or lower case.")};
}

}  // namespace slipway::ops
