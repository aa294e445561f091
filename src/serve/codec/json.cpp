#include "serve/codec/json.hpp"

#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <charconv>
#include <cmath>
#include <limits>

#include "base/format.hpp"
#include "base/low_precision.hpp"
#include "serve/codec/tensor_spec.hpp"

namespace slipway::serve {
namespace {

constexpr unsigned kFlags = rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag |
                            rapidjson::kParseNanAndInfFlag | rapidjson::kParseNumbersAsStringsFlag;

/// The number that the whole text is; NaN and infinity included, too small is zero. RapidJSON's own conversion goes wrong on
/// what it lets through, such as "NaNe3".
template <class T>
std::optional<T> number_of(std::string_view text) {
  T value{};
  const auto [stop, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (stop != text.data() + text.size()) return std::nullopt;
  if (fault == std::errc()) return value;
  if constexpr (std::is_floating_point_v<T>) {
    const size_t exponent = text.find_first_of("eE");
    const bool small =
        exponent == std::string_view::npos ? text.find("0.") <= 1 : text.find('-', exponent) != std::string_view::npos;
    if (small) return text.front() == '-' ? -T{0} : T{0};
  }
  return std::nullopt;
}

/// Passes events on to a Document, except those of the "data" arrays at inputs[i].data.
class Skimmer {
 public:
  using Ch = char;

  Skimmer(rapidjson::Document& out, const rapidjson::MemoryStream& in, std::string_view text, InferJson* arrays)
      : out_(out), in_(in), text_(text), arrays_(arrays) {}

  const std::string& fault() const { return fault_; }

  bool Null() { return scalar() || (kept() && out_.Null()); }
  bool Bool(bool v) { return scalar() || (kept() && out_.Bool(v)); }
  bool Int(int v) { return scalar() || (kept() && out_.Int(v)); }
  bool Uint(unsigned v) { return scalar() || (kept() && out_.Uint(v)); }
  bool Int64(int64_t v) { return scalar() || (kept() && out_.Int64(v)); }
  bool Uint64(uint64_t v) { return scalar() || (kept() && out_.Uint64(v)); }
  bool Double(double v) { return scalar() || (kept() && out_.Double(v)); }
  bool RawNumber(const char* v, rapidjson::SizeType n, bool) {
    if (scalar()) return true;
    const std::string_view text(v, n);
    if (const auto natural = number_of<uint64_t>(text)) return Uint64(*natural);
    if (const auto integer = number_of<int64_t>(text)) return Int64(*integer);
    if (const auto real = number_of<double>(text)) return Double(*real);
    return refuse("a number is malformed or out of range");
  }
  bool String(const char* v, rapidjson::SizeType n, bool) { return scalar() || (kept() && out_.String(v, n, true)); }

  bool Key(const char* v, rapidjson::SizeType n, bool) {
    if (skipping_) return refuse("an array of tensor data holds an object");
    const std::string_view key(v, n);
    if (depth_ == 1) {
      in_inputs_ = key == "inputs";
      if (in_inputs_ && arrays_ != nullptr && seen_inputs_) return refuse("\"inputs\" stands twice in the request");
      seen_inputs_ |= in_inputs_;
    } else if (depth_ == 3) {
      at_data_ = in_inputs_ && key == "data";
    }
    return kept() && out_.Key(v, n, true);
  }
  bool StartObject() {
    if (skipping_) return refuse("an array of tensor data holds an object");
    if (!enter() || !kept()) return false;
    if (depth_ == 3 && in_inputs_ && arrays_ != nullptr) arrays_->data.emplace_back();
    at_data_ = false;
    return out_.StartObject();
  }
  bool EndObject(rapidjson::SizeType n) {
    --depth_;
    at_data_ = false;
    return out_.EndObject(n);
  }
  bool StartArray() {
    const bool data = arrays_ != nullptr && !skipping_ && depth_ == 3 && at_data_ && !arrays_->data.empty();
    if (!enter()) return false;
    if (skipping_) return true;
    if (!data) return kept() && out_.StartArray();
    if (arrays_->data.back()) return refuse("\"data\" stands twice in one input");
    skipping_ = true;
    begin_ = in_.Tell();
    count_ = 0;
    return true;
  }
  bool EndArray(rapidjson::SizeType n) {
    --depth_;
    if (!skipping_) return out_.EndArray(n);
    if (depth_ != 3) return true;
    skipping_ = at_data_ = false;
    arrays_->data.back() = DataArray{text_.substr(begin_, in_.Tell() + 1 - begin_), count_};
    return out_.Null();
  }

 private:
  bool scalar() {
    if (skipping_) ++count_;
    return skipping_;
  }
  bool kept() {
    return ++values_ <= kMaxJsonValues || refuse(fmt::format("more than {} values outside tensor data", kMaxJsonValues));
  }
  bool enter() { return ++depth_ <= kMaxJsonDepth || refuse(fmt::format("nested deeper than {} levels", kMaxJsonDepth)); }
  bool refuse(std::string why) {
    fault_ = std::move(why);
    return false;
  }

  rapidjson::Document& out_;
  const rapidjson::MemoryStream& in_;
  std::string_view text_;
  InferJson* arrays_;
  std::string fault_;
  int depth_ = 0;
  size_t values_ = 0, begin_ = 0;
  int64_t count_ = 0;
  bool in_inputs_ = false, seen_inputs_ = false, at_data_ = false, skipping_ = false;
};

Status parse(std::string_view text, rapidjson::Document& document, InferJson* arrays) {
  rapidjson::MemoryStream in(text.data(), text.size());
  Skimmer skimmer(document, in, text, arrays);
  rapidjson::Reader reader;
  const auto generate = [&](rapidjson::Document&) { return !reader.Parse<kFlags>(in, skimmer).IsError(); };
  document.Populate(generate);
  if (!reader.HasParseError()) return {};
  return fail(ErrorCode::invalid_argument, "the request is not valid JSON at byte {}: {}", reader.GetErrorOffset(),
              skimmer.fault().empty() ? rapidjson::GetParseError_En(reader.GetParseErrorCode()) : skimmer.fault().c_str());
}

struct IntegerRange {
  int64_t least = 0;
  uint64_t most = 0;
};

IntegerRange integer_range(ElementType type) {
  IntegerRange range;
  with_type(type, [&]<class T>() {
    if constexpr (std::is_integral_v<T>) {
      range = {static_cast<int64_t>(std::numeric_limits<T>::min()), static_cast<uint64_t>(std::numeric_limits<T>::max())};
    }
  });
  return range;
}

/// Writes the scalars of an array one after the other.
class ElementSink : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, ElementSink> {
 public:
  explicit ElementSink(Tensor& out) : out_(out), type_(out.type()), range_(integer_range(type_)), count_(out.count()) {}

  const std::string& fault() const { return fault_; }
  int64_t written() const { return next_; }

  bool Null() { return refuse("null"); }
  bool Bool(bool v) {
    if (type_ != ElementType::boolean) return refuse(v ? "true" : "false");
    return room() && (store_int64(out_.data(), type_, next_++, v ? 1 : 0), true);
  }
  bool RawNumber(const char* v, rapidjson::SizeType n, bool) {
    const std::string_view text(v, n);
    if (!room()) return false;
    const bool fits = type_ == ElementType::f32 ? read_float(text) : is_float(type_) ? read_real(text) : read_integer(text);
    constexpr size_t kQuoted = 40;
    return fits ? (++next_, true) : refuse(std::string(text.substr(0, kQuoted)));
  }
  bool String(const char* v, rapidjson::SizeType n, bool) {
    if (type_ != ElementType::string) return refuse("a string");
    return room() && (out_.as<std::string>()[next_++].assign(v, n), true);
  }

 private:
  bool room() const { return next_ < count_; }
  bool read_float(std::string_view text) {
    const auto value = number_of<float>(text);
    if (value) out_.as<float>()[next_] = *value;
    return value.has_value();
  }
  bool read_real(std::string_view text) {
    const auto value = number_of<double>(text);
    if (!value) return false;
    store_double(out_.data(), type_, next_, *value);
    return !std::isfinite(*value) || std::isfinite(load_double(out_.data(), type_, next_));
  }
  bool read_integer(std::string_view text) {
    if (type_ == ElementType::string) return false;
    if (const auto natural = number_of<uint64_t>(text)) {
      if (*natural > range_.most) return false;
      store_int64(out_.data(), type_, next_, static_cast<int64_t>(*natural));
      return true;
    }
    const auto integer = number_of<int64_t>(text);
    if (!integer || *integer < range_.least) return false;
    store_int64(out_.data(), type_, next_, *integer);
    return true;
  }
  bool refuse(std::string what) {
    fault_ = fmt::format("element {} of \"data\" is {}, which {} cannot hold", next_, what, datatype_name(type_));
    return false;
  }

  Tensor& out_;
  ElementType type_;
  IntegerRange range_;
  int64_t count_, next_ = 0;
  std::string fault_;
};

}  // namespace

Result<InferJson> parse_infer_json(std::string_view text) {
  InferJson out;
  TRY(parse(text, out.document, &out));
  return out;
}

Result<rapidjson::Document> parse_json(std::string_view text) {
  rapidjson::Document document;
  TRY(parse(text, document, nullptr));
  return document;
}

Status read_data(const DataArray& data, Tensor& tensor) {
  rapidjson::MemoryStream in(data.text.data(), data.text.size());
  ElementSink sink(tensor);
  rapidjson::Reader reader;
  if (reader.Parse<kFlags>(in, sink).IsError() || sink.written() != tensor.count()) {
    return fail(ErrorCode::invalid_argument, "{}", sink.fault().empty() ? "\"data\" is not an array of its shape" : sink.fault());
  }
  return {};
}

}  // namespace slipway::serve
