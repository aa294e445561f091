// Everything that is wrong with a model, gathered while the import goes on, told in one error.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace slipway::import::onnx {

class Problems {
 public:
  /// No operator and no function of that name. `domain` "" is ai.onnx.
  void unknown_operator(std::string_view domain, std::string_view op_type, std::string_view node);
  /// The operator is known, but not as the model's opset means it.
  void version(std::string_view domain, std::string_view op_type, int64_t opset, int64_t oldest, std::string_view node);
  /// A type that the operator or slipway does not take.
  void type(std::string_view op_type, const Error& error, std::string_view node);
  /// Anything else, at a node or in words ("graph input 'x'").
  void other(const Error& error, std::string_view where);

  bool empty() const { return problems_.empty(); }
  /// One sentence over all of them. Precondition: !empty().
  Error error() const;

 private:
  enum class Group : uint8_t { unknown, version, type, other };
  struct Problem {
    ErrorCode code = ErrorCode::invalid_model;
    std::vector<std::string> places;  ///< the first few
    size_t count = 0;
  };
  void add(Group group, std::string_view what, ErrorCode code, std::string_view place);

  std::map<std::pair<Group, std::string>, Problem> problems_;
  std::map<std::string, std::string> unknown_;  ///< operator to what is said of it
  size_t untold_ = 0;                           ///< of kinds beyond kMaxProblems
};

}  // namespace slipway::import::onnx
