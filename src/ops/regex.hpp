// Regular expressions in RE2's syntax without look-around and back references, run by simulating all states at once, so that the
// time is bounded by the length of the text times the size of the pattern.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "base/error.hpp"
#include "base/format.hpp"
#include "ops/code_points.hpp"

namespace slipway::ops::regex {

constexpr int kMaxDepth = 200;            // of groups
constexpr int64_t kMaxRepeat = 1000;      // as RE2
constexpr size_t kMaxPattern = 1u << 16;  // bytes
constexpr size_t kMaxProgram = 1u << 16;  // instructions; counted repetitions are written out
constexpr char32_t kMaxCode = 0x10ffff;

struct CharSet {
  std::vector<std::pair<char32_t, char32_t>> ranges;
  bool negated = false, fold = false;

  bool in_ranges(char32_t c) const {
    for (const auto& r : ranges) {
      if (c >= r.first && c <= r.second) return true;
    }
    return false;
  }
  bool contains(char32_t c) const {
    return (in_ranges(c) || (fold && (in_ranges(to_lower(c)) || in_ranges(to_upper(c))))) != negated;
  }
};

enum class Assertion : uint8_t { text_begin, text_end, line_begin, line_end, word, not_word };

struct Tree {
  enum class Kind : uint8_t { empty, set, assertion, concat, alternate, repeat } kind = Kind::empty;
  std::vector<std::unique_ptr<Tree>> parts;
  CharSet set;
  std::optional<uint32_t> set_index;  ///< once the program has taken the set
  Assertion assertion = Assertion::text_begin;
  int64_t least = 0, most = -1;  ///< of a repeat; most -1: no end
};
using TreePtr = std::unique_ptr<Tree>;

inline TreePtr make_tree(Tree::Kind kind) {
  auto tree = std::make_unique<Tree>();
  tree->kind = kind;
  return tree;
}

inline bool add_class(CharSet& set, char32_t letter) {
  const bool negated = letter == 'D' || letter == 'W' || letter == 'S';
  std::vector<std::pair<char32_t, char32_t>> ranges;  // ascending
  switch (to_lower(letter)) {
    case 'd':
      ranges = {{'0', '9'}};
      break;
    case 'w':
      ranges = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
      break;
    case 's':
      ranges = {{'\t', '\n'}, {'\f', '\r'}, {' ', ' '}};
      break;
    default:
      return false;
  }
  char32_t next = 0;
  for (const auto& r : ranges) {
    if (!negated) set.ranges.push_back(r);
    if (negated && next < r.first) set.ranges.emplace_back(next, r.first - 1);
    next = r.second + 1;
  }
  if (negated) set.ranges.emplace_back(next, kMaxCode);
  return true;
}

inline bool add_posix_class(CharSet& set, std::string_view name) {
  static const std::pair<std::string_view, std::vector<std::pair<char32_t, char32_t>>> kClasses[] = {
      {"alnum", {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}}},
      {"alpha", {{'A', 'Z'}, {'a', 'z'}}},
      {"ascii", {{0, 127}}},
      {"blank", {{'\t', '\t'}, {' ', ' '}}},
      {"cntrl", {{0, 31}, {127, 127}}},
      {"digit", {{'0', '9'}}},
      {"graph", {{'!', '~'}}},
      {"lower", {{'a', 'z'}}},
      {"print", {{' ', '~'}}},
      {"punct", {{'!', '/'}, {':', '@'}, {'[', '`'}, {'{', '~'}}},
      {"space", {{'\t', '\r'}, {' ', ' '}}},
      {"upper", {{'A', 'Z'}}},
      {"word", {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}},
      {"xdigit", {{'0', '9'}, {'A', 'F'}, {'a', 'f'}}}};
  for (const auto& known : kClasses) {
    if (known.first != name) continue;
    set.ranges.insert(set.ranges.end(), known.second.begin(), known.second.end());
    return true;
  }
  return false;
}

class Parser {
 public:
  explicit Parser(std::string_view pattern) : text_(pattern) {}

  Result<TreePtr> parse() {
    TreePtr tree = TRY(alternatives(0));
    if (!done()) return wrong("an unexpected ')'");
    return tree;
  }

 private:
  struct Flags {
    bool fold = false, dot_all = false, lines = false;
  };

  bool done() const { return at_ >= text_.size(); }
  bool looking_at(std::string_view what) const { return text_.substr(at_, what.size()) == what; }
  bool take(std::string_view what) {
    if (!looking_at(what)) return false;
    at_ += what.size();
    return true;
  }
  char32_t next() { return next_code_point(text_, at_); }
  Error wrong(std::string_view what) const {
    return fail(ErrorCode::invalid_model, "the pattern '{}' has {} before character {}", text_.substr(0, 100), what, at_);
  }

  Result<TreePtr> alternatives(int depth) {
    if (depth > kMaxDepth) return fail(ErrorCode::limit, "groups of the pattern are nested deeper than {}", kMaxDepth);
    TreePtr all = make_tree(Tree::Kind::alternate);
    do {
      TreePtr branch = make_tree(Tree::Kind::concat);
      while (!done() && !looking_at("|") && !looking_at(")")) {
        TreePtr part = TRY(atom(depth));
        if (part != nullptr) branch->parts.push_back(TRY(repeated(std::move(part))));
      }
      all->parts.push_back(std::move(branch));
    } while (take("|"));
    return all;
  }

  /// nullptr: nothing that can be matched or repeated (flags).
  Result<TreePtr> atom(int depth) {
    if (take("(")) return group(depth);
    if (take("[")) return bracket();
    if (take("^")) return assertion(flags_.lines ? Assertion::line_begin : Assertion::text_begin);
    if (take("$")) return assertion(flags_.lines ? Assertion::line_end : Assertion::text_end);
    if (looking_at("*") || looking_at("+") || looking_at("?")) return wrong("nothing to repeat");
    CharSet set;
    if (take(".")) {
      set.negated = true;
      if (!flags_.dot_all) set.ranges.emplace_back('\n', '\n');
      return one_of(std::move(set));
    }
    if (take("\\")) return escape();
    const char32_t c = next();
    set.ranges.emplace_back(c, c);
    return one_of(std::move(set));
  }

  Result<TreePtr> group(int depth) {
    const Flags outside = flags_;
    if (take("?")) {
      if (take("P<") || (looking_at("<") && !looking_at("<=") && !looking_at("<!") && take("<"))) {
        const size_t end = text_.find('>', at_);
        if (end == text_.npos) return wrong("an unfinished group name");
        at_ = end + 1;
      } else {
        for (bool on = true; !take(":");) {
          if (take(")")) return TreePtr();  // the flags hold until the enclosing group ends
          const char flag = done() ? '\0' : text_[at_++];
          bool* known = flag == 'i' ? &flags_.fold : flag == 's' ? &flags_.dot_all : flag == 'm' ? &flags_.lines : nullptr;
          if (flag == '-') {
            on = false;
          } else if (known != nullptr) {
            *known = on;
          } else if (flag != 'U') {
            return wrong("a kind of group that is not known");
          }
        }
      }
    }
    TreePtr inside = TRY(alternatives(depth + 1));
    if (!take(")")) return wrong("an unclosed group");
    flags_ = outside;
    return inside;
  }

  Result<TreePtr> assertion(Assertion what) {
    TreePtr tree = make_tree(Tree::Kind::assertion);
    tree->assertion = what;
    return tree;
  }

  Result<TreePtr> one_of(CharSet set) {
    TreePtr tree = make_tree(Tree::Kind::set);
    set.fold = flags_.fold;
    tree->set = std::move(set);
    return tree;
  }

  Result<TreePtr> escape() {
    if (take("A")) return assertion(Assertion::text_begin);
    if (take("z")) return assertion(Assertion::text_end);
    if (take("b")) return assertion(Assertion::word);
    if (take("B")) return assertion(Assertion::not_word);
    if (take("Q")) {
      TreePtr quoted = make_tree(Tree::Kind::concat);
      while (!done() && !take("\\E")) {
        CharSet set;
        const char32_t c = next();
        set.ranges.emplace_back(c, c);
        quoted->parts.push_back(TRY(one_of(std::move(set))));
      }
      return quoted;
    }
    CharSet set;
    TRY(escaped_class_or_char(set));
    return one_of(std::move(set));
  }

  /// After the backslash: adds \d and its like or a single character, whose code comes back (else kMaxCode + 1).
  Result<char32_t> escaped_class_or_char(CharSet& set) {
    if (done()) return wrong("a backslash at its end");
    char32_t c = next();
    if (add_class(set, c)) return kMaxCode + 1;
    static constexpr std::string_view kNames = "afnrtv", kCodes = "\a\f\n\r\t\v";
    if (const size_t named = c < 128 ? kNames.find(static_cast<char>(c)) : kNames.npos; named != kNames.npos) {
      c = static_cast<char32_t>(kCodes[named]);
    } else if (c == 'x') {
      c = TRY(hexadecimal());
    } else if (c >= '0' && c <= '7') {
      const bool octal = c == '0' || (!done() && text_[at_] >= '0' && text_[at_] <= '7');
      if (!octal) return wrong("a reference to a group");
      c -= '0';
      for (int i = 0; i < 2 && !done() && text_[at_] >= '0' && text_[at_] <= '7'; ++i)
        c = c * 8 + static_cast<char32_t>(text_[at_++] - '0');
    } else if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '8' || c == '9') {
      return wrong("an escape that is not known");
    }
    set.ranges.emplace_back(c, c);
    return c;
  }

  Result<char32_t> hexadecimal() {
    const bool braces = take("{");
    char32_t code = 0;
    int digits = 0;
    for (; !done() && (braces || digits < 2); ++digits) {
      const char c = text_[at_];
      const int value = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (value < 0 || code > kMaxCode / 16) break;
      code = code * 16 + static_cast<char32_t>(value);
      ++at_;
    }
    if (digits == 0 || (braces ? !take("}") : digits != 2)) return wrong("an unfinished \\x");
    return code;
  }

  Result<TreePtr> bracket() {
    CharSet set;
    set.negated = take("^");
    for (bool first = true; first || !looking_at("]"); first = false) {
      if (done()) return wrong("an unclosed '['");
      if (take("[:")) {
        const size_t end = text_.find(":]", at_);
        if (end == text_.npos || !add_posix_class(set, text_.substr(at_, end - at_))) return wrong("a class that is not known");
        at_ = end + 2;
        continue;
      }
      const char32_t low = TRY(class_char(set));
      if (low > kMaxCode || !looking_at("-") || text_.substr(at_, 2) == "-]") continue;
      take("-");
      if (done()) return wrong("an unclosed '['");
      const char32_t high = TRY(class_char(set));
      if (high > kMaxCode || high < low) return wrong("a range that runs backwards");
      set.ranges.emplace_back(low, high);
    }
    take("]");
    return one_of(std::move(set));
  }
  Result<char32_t> class_char(CharSet& set) {
    if (take("\\")) return escaped_class_or_char(set);
    const char32_t c = next();
    set.ranges.emplace_back(c, c);
    return c;
  }

  std::optional<int64_t> number() {
    if (done() || text_[at_] < '0' || text_[at_] > '9') return std::nullopt;
    int64_t value = 0;
    for (; !done() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_)
      value = std::min<int64_t>(value * 10 + (text_[at_] - '0'), kMaxRepeat + 1);
    return value;
  }

  Result<TreePtr> repeated(TreePtr part) {
    while (!done()) {
      int64_t least = 0, most = -1;
      const size_t begin = at_;
      if (take("+")) {
        least = 1;
      } else if (take("?")) {
        most = 1;
      } else if (take("{")) {
        const auto from = number();
        const bool open = take(",");
        const auto to = open ? number() : from;
        if (!from || !take("}")) {  // an ordinary brace
          at_ = begin;
          return part;
        }
        least = *from;
        most = to.value_or(-1);
        if (least > kMaxRepeat || most > kMaxRepeat || (most >= 0 && most < least))
          return wrong("a repetition that is out of range");
      } else if (!take("*")) {
        return part;
      }
      take("?");  // lazy: the same whole texts match
      TreePtr again = make_tree(Tree::Kind::repeat);
      again->least = least;
      again->most = most;
      again->parts.push_back(std::move(part));
      part = std::move(again);
      if (++repeats_ > kMaxDepth) return fail(ErrorCode::limit, "the pattern has more than {} repetitions", kMaxDepth);
    }
    return part;
  }

  std::string_view text_;
  size_t at_ = 0;
  int repeats_ = 0;
  Flags flags_;
};

/// A pattern as instructions of a machine that is in many places at once.
class Pattern {
 public:
  static Result<Pattern> compile(std::string_view pattern) {
    if (pattern.size() > kMaxPattern)
      return fail(ErrorCode::limit, "the pattern has {} bytes, the limit is {}", pattern.size(), kMaxPattern);
    const TreePtr tree = TRY(Parser(pattern).parse());
    Pattern program;
    if (!program.emit(*tree) || !program.add({Op::match, 0, 0})) {
      return fail(ErrorCode::limit, "the pattern '{}' needs more than {} instructions", pattern.substr(0, 100), kMaxProgram);
    }
    return program;
  }

  /// Whether the whole text matches.
  bool matches(std::string_view text) const { return longest(text, 0) == text.size(); }

  /// Where the longest match that begins at byte `from` ends; npos: nothing matches there.
  size_t longest(std::string_view text, size_t from) const {
    size_t found = text.npos;
    std::vector<uint32_t> here, there, marks(code_.size(), 0), stack;
    uint32_t mark = 1;
    char32_t before = from == 0 ? kNoChar : code_point_before(text, from);
    size_t at = from, ahead = from;
    char32_t now = from == text.size() ? kNoChar : next_code_point(text, ahead);
    follow(0, before, now, mark, marks, stack, here);
    while (!here.empty()) {
      if (std::any_of(here.begin(), here.end(), [&](uint32_t pc) { return code_[pc].op == Op::match; })) found = at;
      if (now == kNoChar) break;
      at = ahead;
      const char32_t after = at < text.size() ? next_code_point(text, ahead) : kNoChar;
      there.clear();
      if (++mark == 0) {
        std::fill(marks.begin(), marks.end(), 0);
        mark = 1;
      }
      for (const uint32_t pc : here) {
        if (code_[pc].op == Op::set && sets_[code_[pc].x].contains(now)) follow(pc + 1, now, after, mark, marks, stack, there);
      }
      std::swap(here, there);
      before = now;
      now = after;
    }
    return found;
  }

 private:
  enum class Op : uint8_t { match, set, split, jump, assertion };
  struct Instruction {
    Op op;
    uint32_t x, y;  ///< targets; set: index of the set; assertion: which
  };
  static constexpr char32_t kNoChar = kMaxCode + 1;

  static char32_t code_point_before(std::string_view text, size_t at) {
    size_t start = at - 1;
    while (start > 0 && at - start < 4 && (static_cast<unsigned char>(text[start]) & 0xc0) == 0x80) --start;
    return next_code_point(text, start);
  }
  uint32_t here() const { return static_cast<uint32_t>(code_.size()); }
  bool add(Instruction i) {
    code_.push_back(i);
    return code_.size() < kMaxProgram;
  }

  bool emit(Tree& t) {
    if (++work_ > 4 * kMaxProgram) return false;  // repeated nothings cost time but no instructions
    switch (t.kind) {
      case Tree::Kind::empty:
        return true;
      case Tree::Kind::set:
        if (!t.set_index) {
          t.set_index = static_cast<uint32_t>(sets_.size());
          sets_.push_back(std::move(t.set));
        }
        return add({Op::set, *t.set_index, 0});
      case Tree::Kind::assertion:
        return add({Op::assertion, static_cast<uint32_t>(t.assertion), 0});
      case Tree::Kind::concat:
        for (const TreePtr& part : t.parts) {
          if (!emit(*part)) return false;
        }
        return true;
      case Tree::Kind::alternate:
        return emit_alternatives(t);
      case Tree::Kind::repeat:
        return emit_repeat(t);
    }
    return true;
  }

  bool emit_alternatives(Tree& t) {
    std::vector<uint32_t> jumps;
    for (size_t i = 0; i < t.parts.size(); ++i) {
      const uint32_t split = here();
      const bool last = i + 1 == t.parts.size();
      if (!last && !add({Op::split, split + 1, 0})) return false;
      if (!emit(*t.parts[i])) return false;
      if (last) break;
      jumps.push_back(here());
      if (!add({Op::jump, 0, 0})) return false;
      code_[split].y = here();
    }
    for (const uint32_t jump : jumps) code_[jump].x = here();
    return true;
  }

  bool emit_repeat(Tree& t) {
    for (int64_t i = 0; i < t.least; ++i) {
      if (!emit(*t.parts[0])) return false;
    }
    std::vector<uint32_t> splits;
    for (int64_t i = t.least; t.most < 0 ? splits.empty() : i < t.most; ++i) {
      splits.push_back(here());
      if (!add({Op::split, here() + 1, 0}) || !emit(*t.parts[0])) return false;
    }
    if (t.most < 0 && !add({Op::jump, splits[0], 0})) return false;
    for (const uint32_t split : splits) code_[split].y = here();
    return true;
  }

  static bool is_word(char32_t c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
  }
  static bool holds(Assertion what, char32_t before, char32_t after) {
    switch (what) {
      case Assertion::text_begin:
        return before == kNoChar;
      case Assertion::text_end:
        return after == kNoChar;
      case Assertion::line_begin:
        return before == kNoChar || before == '\n';
      case Assertion::line_end:
        return after == kNoChar || after == '\n';
      case Assertion::word:
        return is_word(before) != is_word(after);
      case Assertion::not_word:
        return is_word(before) == is_word(after);
    }
    return false;
  }

  /// Adds to `out` every place that is reached from `pc` without reading a character.
  void follow(uint32_t pc, char32_t before, char32_t after, uint32_t mark, std::vector<uint32_t>& marks,
              std::vector<uint32_t>& stack, std::vector<uint32_t>& out) const {
    stack.assign(1, pc);
    while (!stack.empty()) {
      const uint32_t at = stack.back();
      stack.pop_back();
      if (marks[at] == mark) continue;
      marks[at] = mark;
      const Instruction& i = code_[at];
      switch (i.op) {
        case Op::match:
        case Op::set:
          out.push_back(at);
          break;
        case Op::jump:
          stack.push_back(i.x);
          break;
        case Op::split:
          stack.push_back(i.y);
          stack.push_back(i.x);
          break;
        case Op::assertion:
          if (holds(static_cast<Assertion>(i.x), before, after)) stack.push_back(at + 1);
          break;
      }
    }
  }

  std::vector<Instruction> code_;
  std::vector<CharSet> sets_;
  size_t work_ = 0;
};

}  // namespace slipway::ops::regex
