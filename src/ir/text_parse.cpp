#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

#include "base/format.hpp"
#include "base/low_precision.hpp"
#include "ir/text.hpp"
#include "ir/text_lexer.hpp"

namespace slipway::ir {
namespace {

constexpr size_t kMaxTextBytes = size_t{64} << 20;
constexpr int kMaxNesting = 32;                          ///< of graphs in attributes and of types in types
constexpr size_t kMaxConstantBytes = size_t{256} << 20;  ///< of all constants together: generators make much of little text
constexpr size_t kMaxListItems = size_t{1} << 20;
constexpr size_t kMaxSymbols = 4096;
constexpr size_t kMaxPorts = 4096;  ///< inputs or outputs of one node

using Kind = Token::Kind;

/// One number of a pseudo-random sequence (splitmix64).
uint64_t random_bits(uint64_t& state) {
  uint64_t z = state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

/// Floats in [-1, 1), signed integers in [-8, 8), unsigned in [0, 16), both within the type.
void fill_random(Tensor& tensor, uint64_t seed) {
  const ElementType type = tensor.type();
  for (int64_t i = 0; i < tensor.count(); ++i) {
    const uint64_t r = random_bits(seed) >> 40;
    if (is_integer(type) || type == ElementType::boolean) {
      store_int64(tensor.data(), type, i,
                  static_cast<int64_t>(type == ElementType::boolean ? r & 1 : r & 15) - (is_signed_integer(type) ? 8 : 0));
    } else {
      store_double(tensor.data(), type, i, static_cast<double>(r) / (1 << 23) - 1);
    }
  }
}

class Parser {
 public:
  Parser(std::string_view text, OpLookup lookup) : lexer_(text), lookup_(lookup) {}

  Result<Graph> whole() {
    TRY(advance());
    Graph graph;
    if (token_.is("graph")) {
      graph = TRY(nested_graph(0));
    } else {
      TRY(body(graph, 0));
    }
    if (token_.kind != Kind::end) return unexpected("the end of the text");
    return graph;
  }

 private:
  using Names = std::map<std::string, ValueId, std::less<>>;

  Status advance() {
    token_ = TRY(lexer_.next());
    return {};
  }
  template <class... Args>
  Error error(fmt::format_string<Args...> text, Args&&... args) const {
    return fail(ErrorCode::invalid_model, "{}: {}", lexer_.position(token_.offset),
                fmt::format(text, std::forward<Args>(args)...));
  }
  Error over_limit(std::string_view what, size_t limit) const {
    return fail(ErrorCode::limit, "{}: {} beyond the limit of {}", lexer_.position(token_.offset), what, limit);
  }
  Error unexpected(std::string_view wanted) const {
    return error("expected {}, found {}", wanted,
                 token_.kind == Kind::end ? "the end of the text" : "'" + token_.text.substr(0, 40) + "'");
  }
  Result<bool> accept(std::string_view word) {
    if (!token_.is(word)) return false;
    TRY(advance());
    return true;
  }
  Status expect(std::string_view word) {
    if (!token_.is(word)) return unexpected("'" + std::string(word) + "'");
    return advance();
  }
  Result<std::string> take(Kind kind, std::string_view what) {
    if (token_.kind != kind) return unexpected(what);
    std::string text = std::move(token_.text);
    TRY(advance());
    return text;
  }
  Result<std::string> word_or_text(std::string_view what) {
    return take(token_.kind == Kind::text ? Kind::text : Kind::word, what);
  }

  template <class T>
  Result<T> number() {
    T value{};
    std::string_view text = token_.text;
    if (text.starts_with('+')) text.remove_prefix(1);
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool is_numeric = token_.kind == Kind::number || (std::is_floating_point_v<T> && token_.kind == Kind::word);
    if (!is_numeric || code != std::errc() || end != text.data() + text.size()) {
      return unexpected(std::is_floating_point_v<T> ? "a number" : "an integer in range");
    }
    TRY(advance());
    return value;
  }

  // ---- facts

  Result<ElementType> element_type() {
    const std::optional<ElementType> type = token_.kind == Kind::word ? parse_element_type(token_.text) : std::nullopt;
    if (!type) return unexpected("an element type such as f32");
    TRY(advance());
    return *type;
  }

  Result<Dim> dim(Graph& graph) {
    if (graph.symbols.size() > kMaxSymbols) return over_limit("symbols", kMaxSymbols);
    if (token_.kind == Kind::text) return graph.symbol(TRY(take(Kind::text, "a symbol")));
    if (token_.kind == Kind::word) {
      const std::string name = TRY(take(Kind::word, "a symbol"));
      return name == "?" ? Dim::unknown() : graph.symbol(name);
    }
    const auto extent = TRY(number<int64_t>());
    if (extent < 0) return error("the extent {} is negative", extent);
    return Dim(extent);
  }

  Result<Fact> fact(Graph& graph, int depth) {
    if (depth > kMaxNesting) return over_limit("types in types", kMaxNesting);
    if (TRY(accept("?"))) return Fact();
    if (token_.is("seq") || token_.is("optional")) {
      const bool optional = token_.is("optional");
      TRY(advance());
      TRY(expect("("));
      Fact inner = TRY(fact(graph, depth + 1));
      TRY(expect(")"));
      if (!optional) return Fact::sequence(std::move(inner));
      inner.optional = true;
      return inner;
    }
    if (TRY(accept("map"))) {
      TRY(expect("("));
      const ElementType key = TRY(element_type());
      TRY(expect(","));
      Fact value = TRY(fact(graph, depth + 1));
      TRY(expect(")"));
      return Fact::map(key, std::move(value));
    }
    Fact out = Fact::tensor(ElementType::undefined);
    if (!TRY(accept("undefined"))) out.type = TRY(element_type());
    TRY(expect("["));
    if (TRY(accept("..."))) {
      TRY(expect("]"));
      return out;
    }
    Shape shape;
    while (!token_.is("]")) {
      if (!shape.empty()) TRY(expect(","));
      if (shape.size() == kMaxRank) return over_limit("a rank", kMaxRank);
      shape.push_back(TRY(dim(graph)));
    }
    TRY(advance());
    out.shape = std::move(shape);
    return out;
  }

  // ---- constants

  Status element(Tensor& tensor, int64_t i) {
    const ElementType type = tensor.type();
    if (type == ElementType::string) {
      tensor.as<std::string>()[i] = TRY(take(Kind::text, "a quoted text"));
    } else if (type == ElementType::f32) {
      tensor.as<float>()[i] = TRY(number<float>());
    } else if (contains(type_sets::kComplex, type)) {
      TRY(expect("("));
      const auto real = TRY(number<double>());
      TRY(expect(","));
      const auto imaginary = TRY(number<double>());
      TRY(expect(")"));
      const ElementType part = type == ElementType::c64 ? ElementType::f32 : ElementType::f64;
      store_double(tensor.data(), part, 2 * i, real);
      store_double(tensor.data(), part, 2 * i + 1, imaginary);
    } else if (is_float(type)) {
      store_double(tensor.data(), type, i, TRY(number<double>()));
    } else if (type == ElementType::u64) {
      tensor.as<uint64_t>()[i] = TRY(number<uint64_t>());
    } else {
      const auto value = TRY(number<int64_t>());
      store_int64(tensor.data(), type, i, value);
      if (load_int64(tensor.data(), type, i) != value) return error("{} is out of the range of {}", value, name(type));
    }
    return {};
  }

  /// An empty tensor of the declared type and shape, within the budget of constants.
  Result<Tensor> declared_tensor() {
    Graph symbols;  // a constant's shape has none: whatever turns up here is refused
    const Fact declared = TRY(fact(symbols, 0));
    if (!declared.is_tensor() || declared.optional || !declared.shape || declared.type == ElementType::undefined) {
      return error("a constant needs a tensor type with known extents");
    }
    std::vector<int64_t> extents;
    for (const Dim d : *declared.shape) extents.push_back(d.value());
    const int64_t count = checked_count(extents, static_cast<int64_t>(kMaxConstantBytes));
    const size_t per_element =
        declared.type == ElementType::string ? 8 * sizeof(std::string) : static_cast<size_t>(bits(declared.type));
    for (const int64_t extent : extents) {
      if (extent < 0) return error("a constant needs a tensor type with known extents");
    }
    const size_t budget = kMaxConstantBytes - constant_bytes_;
    if (count < 0 || static_cast<size_t>(count) > budget * 8 / per_element)
      return over_limit("bytes of constants", kMaxConstantBytes);
    constant_bytes_ += static_cast<size_t>(count) * per_element / 8;
    return Tensor(declared.type, Dims(extents));
  }

  Result<Tensor> tensor() {
    Tensor out = TRY(declared_tensor());
    const int64_t count = out.count();
    if (TRY(accept("{"))) {
      if (token_.is("...")) return error("the elements of this constant were left out when the text was printed");
      for (int64_t i = 0; i < count; ++i) {
        if (i != 0) TRY(expect(","));
        TRY(element(out, i));
      }
      TRY(expect("}"));
      return out;
    }
    TRY(generated(out));
    return out;
  }

  Status generated(Tensor& tensor) {
    const ElementType type = tensor.type();
    const std::string generator = TRY(take(Kind::word, "elements in braces, zeros, ones, ramp, full(X) or random(SEED)"));
    const int64_t count = tensor.count();
    if (generator == "full") {
      TRY(expect("("));
      Tensor one(type, {});
      TRY(element(one, 0));
      TRY(expect(")"));
      for (int64_t i = 0; i < count; ++i) copy_element(one, tensor, i);
      return {};
    }
    if (type == ElementType::string) return error("strings are not generated by '{}'; write them out", generator);
    if (generator == "random") {
      TRY(expect("("));
      fill_random(tensor, TRY(number<uint64_t>()));
      return expect(")");
    }
    if (generator != "zeros" && generator != "ones" && generator != "ramp") return error("there is no generator '{}'", generator);
    for (int64_t i = 0; i < count && generator != "zeros"; ++i) store_int64(tensor.data(), type, i, generator == "ones" ? 1 : i);
    return {};
  }

  static void copy_element(const Tensor& one, Tensor& tensor, int64_t i) {
    const ElementType type = one.type();
    if (type == ElementType::string) {
      tensor.as<std::string>()[i] = one.as<std::string>()[0];
    } else if (bits(type) < 8) {
      if (type == ElementType::f4e2m1) {
        store_double(tensor.data(), type, i, load_double(one.data(), type, 0));
      } else {
        store_int64(tensor.data(), type, i, load_int64(one.data(), type, 0));
      }
    } else {
      const size_t bytes = one.bytes();
      std::copy_n(one.as<char>(), bytes, tensor.as<char>() + static_cast<size_t>(i) * bytes);
    }
  }

  // ---- attributes

  /// A list of one kind; integers among floats become floats.
  Result<AttrValue> list(int depth) {
    std::vector<AttrValue> items;
    while (!token_.is("]")) {
      if (!items.empty()) TRY(expect(","));
      if (items.size() == kMaxListItems) return over_limit("items of a list", kMaxListItems);
      items.push_back(TRY(attribute(depth)));
    }
    TRY(advance());
    AttrValue out;
    if (items.empty() || gather<int64_t>(items, out)) return items.empty() ? AttrValue(std::vector<int64_t>()) : out;
    for (AttrValue& item : items) {
      if (const int64_t* i = std::get_if<int64_t>(&item)) item = static_cast<float>(*i);
    }
    if (gather<float>(items, out) || gather<std::string>(items, out) || gather<Tensor>(items, out) ||
        gather<GraphRef>(items, out))
      return out;
    return error("the items of a list must be of one kind: numbers, texts, tensors or graphs");
  }

  template <class T>
  static bool gather(std::vector<AttrValue>& items, AttrValue& out) {
    std::vector<T> values;
    for (AttrValue& item : items) {
      const T* held = std::get_if<T>(&item);
      if (held == nullptr) return false;
      values.push_back(*held);
    }
    out = std::move(values);
    return true;
  }

  Result<AttrValue> attribute(int depth) {
    if (TRY(accept("["))) {
      if (depth > kMaxNesting) return over_limit("lists in lists", kMaxNesting);
      return list(depth + 1);
    }
    if (token_.kind == Kind::text) return AttrValue(TRY(take(Kind::text, "a text")));
    if (token_.is("graph")) return AttrValue(std::make_shared<const Graph>(TRY(nested_graph(depth + 1))));
    if (token_.kind == Kind::number) {
      const bool real = token_.text.find_first_of(".enf") != std::string::npos;
      if (real) return AttrValue(TRY(number<float>()));
      return AttrValue(TRY(number<int64_t>()));
    }
    if (TRY(accept("none"))) return AttrValue();
    if (token_.is("true") || token_.is("false")) {
      const int64_t value = token_.is("true") ? 1 : 0;
      TRY(advance());
      return AttrValue(value);
    }
    if (token_.is("inf") || token_.is("nan")) return AttrValue(TRY(number<float>()));
    return type_or_tensor();
  }

  /// `f32` alone is the number of the type (attributes such as Cast's to); with a shape it begins a tensor.
  Result<AttrValue> type_or_tensor() {
    const std::optional<ElementType> type = token_.kind == Kind::word ? parse_element_type(token_.text) : std::nullopt;
    if (!type) return unexpected("an attribute's value");
    Lexer ahead = lexer_;
    const Token following = TRY(ahead.next());
    if (following.is("[")) return AttrValue(TRY(tensor()));
    TRY(advance());
    return AttrValue(static_cast<int64_t>(*type));
  }

  /// Sets an attribute. An empty list has no kind of its own, and a list of integers may stand for floats.
  static Status set(Attrs& attrs, std::string_view name, const AttrValue& value) {
    Status plain = attrs.set(name, value);
    const auto* ints = std::get_if<std::vector<int64_t>>(&value);
    if (plain || ints == nullptr) return plain;
    if (attrs.set(name, std::vector<float>(ints->begin(), ints->end()))) return {};
    if (!ints->empty()) return plain;
    if (attrs.set(name, std::vector<std::string>()) || attrs.set(name, std::vector<Tensor>()) ||
        attrs.set(name, std::vector<GraphRef>())) {
      return {};
    }
    return plain;
  }

  Status attributes(const OpInfo& op, Attrs& attrs, int depth) {
    std::vector<std::string_view> missing = op.attrs->required();
    if (TRY(accept("{"))) {
      for (bool first = true; !token_.is("}"); first = false) {
        if (!first) TRY(expect(","));
        const Token at = token_;
        const std::string name = TRY(take(Kind::word, "an attribute's name"));
        TRY(expect("="));
        const AttrValue value = TRY(attribute(depth));
        Status done = set(attrs, name, value);
        if (!done)
          return fail(ErrorCode::invalid_model, "{}: {} ({})", lexer_.position(at.offset), done.error().message, op.name);
        std::erase(missing, name);
      }
      TRY(advance());
    }
    if (!missing.empty()) return error("{} needs the attribute '{}'", op.name, missing.front());
    return {};
  }

  // ---- lines

  Result<ValueId> use(const Names& names) {
    if (TRY(accept("_"))) return kNone;
    const auto at = names.find(token_.text);
    if (token_.kind != Kind::value) return unexpected("a value such as %x");
    if (at == names.end()) return error("value '%{}' is not defined above", token_.text);
    TRY(advance());
    return at->second;
  }

  Status define(Names& names, const std::string& name, ValueId id) {
    if (!names.emplace(name, id).second) return error("value '%{}' is defined twice", name);
    return {};
  }

  Status input(Graph& graph, Names& names) {
    const std::string name = TRY(take(Kind::value, "a value such as %x"));
    Fact declared;
    if (TRY(accept(":"))) declared = TRY(fact(graph, 0));
    return define(names, name, graph.add_input(name, std::move(declared)));
  }

  Status output(Graph& graph, const Names& names) {
    const std::string own_name = token_.text;
    const ValueId id = TRY(use(names));
    if (id == kNone) return error("a graph's output cannot be absent");
    const std::string name = TRY(accept("as")) ? TRY(take(Kind::text, "a quoted name")) : own_name;
    graph.add_output(id, name);
    return {};
  }

  /// The operator of `domain.Name`; the domain may hold dots, the name does not.
  Result<const OpInfo*> op() {
    const std::string full = token_.text;
    const size_t dot = full.rfind('.');
    const std::string_view whole = full, domain = dot == std::string::npos ? std::string_view() : whole.substr(0, dot);
    const OpInfo* found =
        token_.kind == Kind::word ? lookup_(domain, whole.substr(dot == std::string::npos ? 0 : dot + 1)) : nullptr;
    if (token_.kind != Kind::word) return unexpected("an operator");
    if (found == nullptr) return error("there is no operator '{}'", full);
    TRY(advance());
    return found;
  }

  Status inputs(Node& node, const Names& names) {
    TRY(expect("("));
    for (bool first = true; !token_.is(")"); first = false) {
      if (token_.is(";") && node.captures_at == kNone) {
        node.captures_at = static_cast<uint32_t>(node.inputs.size());
        TRY(advance());
        if (token_.is(")")) break;
      } else if (!first) {
        TRY(expect(","));
      }
      if (node.inputs.size() == kMaxPorts) return over_limit("inputs of a node", kMaxPorts);
      node.inputs.push_back(TRY(use(names)));
    }
    return advance();
  }

  /// `results` are the names on the left ("_": absent).
  Status node(Graph& graph, Names& names, const std::vector<Token>& results, int depth) {
    const size_t start = token_.offset;
    Node made;
    made.op = TRY(op());
    TRY(inputs(made, names));
    made.attrs = Attrs(made.op->attrs);
    TRY(attributes(*made.op, made.attrs, depth));
    if (!results.empty() && results[0].kind == Kind::value) made.name = results[0].text;
    if (token_.kind == Kind::label) made.name = TRY(take(Kind::label, "a name"));
    for (const Token& result : results) {
      made.outputs.push_back(result.kind == Kind::value ? graph.add_value(result.text) : kNone);
      if (result.kind == Kind::value) TRY(define(names, result.text, made.outputs.back()));
    }
    const NodeId id = graph.add_node(std::move(made));
    Result<std::vector<Fact>> facts = infer_node(graph, graph.node(id));
    if (!facts) return std::move(facts).error().with("at " + lexer_.position(start));
    for (size_t i = 0; i < facts.value().size(); ++i) {
      const ValueId v = graph.node(id).outputs[i];
      if (v != kNone) graph.value(v).fact = std::move(facts.value()[i]);
    }
    return {};
  }

  Status constant_or_node(Graph& graph, Names& names, int depth) {
    std::vector<Token> results;
    do {
      if (token_.kind != Kind::value && !token_.is("_")) return unexpected("a value such as %x");
      if (results.size() == kMaxPorts) return over_limit("outputs of a node", kMaxPorts);
      results.push_back(token_);
      TRY(advance());
    } while (TRY(accept(",")));
    TRY(expect("="));
    if (!token_.is("const")) return node(graph, names, results, depth);
    if (results.size() != 1 || results[0].kind != Kind::value) return error("a constant has one name");
    TRY(advance());
    Tensor value = TRY(tensor());
    return define(names, results[0].text, graph.add_constant(results[0].text, std::move(value)));
  }

  Status body(Graph& graph, int depth) {
    Names names;
    while (token_.kind != Kind::end && !token_.is("}")) {
      if (token_.kind == Kind::value || token_.is("_")) {
        TRY(constant_or_node(graph, names, depth));
      } else if (TRY(accept("input"))) {
        TRY(input(graph, names));
      } else if (TRY(accept("output"))) {
        TRY(output(graph, names));
      } else if (TRY(accept("producer"))) {
        graph.producer = TRY(take(Kind::text, "a quoted text"));
      } else if (TRY(accept("meta"))) {
        const std::string key = TRY(take(Kind::text, "a quoted key"));
        TRY(expect("="));
        graph.metadata[key] = TRY(take(Kind::text, "a quoted text"));
      } else if (token_.kind == Kind::word) {
        TRY(node(graph, names, {}, depth));
      } else {
        return unexpected("a line of a graph");
      }
    }
    return {};
  }

  /// At the word "graph".
  Result<Graph> nested_graph(int depth) {
    if (depth > kMaxNesting) return over_limit("graphs in graphs", kMaxNesting);
    TRY(advance());
    Graph graph;
    if (!token_.is("{")) graph.name = TRY(word_or_text("a name or '{'"));
    TRY(expect("{"));
    TRY(body(graph, depth));
    TRY(expect("}"));
    return graph;
  }

  Lexer lexer_;
  OpLookup lookup_;
  Token token_;
  size_t constant_bytes_ = 0;
};

}  // namespace

Result<Graph> parse(std::string_view text, OpLookup lookup) {
  if (text.size() > kMaxTextBytes) {
    return fail(ErrorCode::limit, "a text of {} bytes is beyond the limit of {}", text.size(), kMaxTextBytes);
  }
  return Parser(text, lookup).whole();
}

}  // namespace slipway::ir
