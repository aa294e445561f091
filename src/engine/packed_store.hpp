// Packed forms of a model's own constants, shared between plans and sessions; of an engine file's large constants they are all
// that is in memory until somebody asks for the original.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "base/mapped_file.hpp"
#include "engine/placement.hpp"
#include "plan/plan.hpp"

namespace slipway::engine {

/// Names the form of a constant: recipe, bytes, element type and extents.
std::string form_name(const Tensor& constant, const tactic::Packing& packing);

/// A packed form.
struct StoredForm {
  std::string name;
  tactic::Packed data;
  size_t bytes = 0;
  std::optional<Placement> placement;  ///< none: cannot be undone
};

/// Where an original can be read again: the file, still open, and what must be found there.
struct FilePlace {
  std::shared_ptr<const File> file;  ///< null: nowhere
  uint64_t offset = 0, checksum = 0;
};

/// A large constant of an engine file. Either its bytes are there, or `data` is reserved space (base/pages.hpp) and a form with a
/// placement is among `forms`.
struct StoredConstant {
  std::shared_ptr<const void> owner;
  const void* data = nullptr;
  size_t bytes = 0;
  bool present = true;
  std::vector<StoredForm> forms;
  /// Not empty: the bytes are wanted for these forms alone, and leave memory (when they can be read again) once all are made.
  std::vector<std::string> made_at_load;
  FilePlace place;
};

/// Thread-safe. Serves the constants of the graph it was made for (sub-graphs and group bodies included).
class ModelPackedStore final : public plan::PackedStore {
 public:
  explicit ModelPackedStore(const ir::Graph& graph, std::vector<StoredConstant> stored = {});
  Result<tactic::Packed> packed(const Tensor& constant, const tactic::Packing& packing) override;
  Status provide(const Tensor& constant) override;

  /// The form as the engine file holds it; data is null when it holds none.
  StoredForm stored(const Tensor& constant, const std::string& form) const;
  bool owns(const Tensor& constant) const { return constants_.count(constant.data()) != 0; }
  /// Bytes of all packed forms in memory.
  size_t bytes() const;

 private:
  struct Constant {
    std::shared_ptr<const void> owner;  ///< of the address, when from a file
    bool present = true;
    size_t bytes = 0;
    std::map<std::string, StoredForm> forms;
    std::vector<std::string> made_at_load;
    FilePlace place;
  };
  void own(const ir::Graph& graph);
  /// Writes the original of a constant that is not present.
  static Status recover(const Constant& constant, std::byte* to);
  /// Lets the original go when nothing wants it any more.
  static void release(const void* data, Constant& constant);

  mutable std::mutex mutex_;
  std::map<const void*, Constant> constants_;  ///< by the constant's bytes; which ones never changes
};

/// Stands in for a store while a plan is made whose kernels never run: packs nothing, and remembers what the plan wants.
class PackingRecorder final : public plan::PackedStore {
 public:
  struct Wanted {
    bool itself = false;                              ///< its own bytes are read
    std::map<std::string, tactic::Packing> packings;  ///< by name of the form
  };

  explicit PackingRecorder(ModelPackedStore& store) : store_(store) {}
  /// Memory of the right size and unspecified contents.
  Result<tactic::Packed> packed(const Tensor& constant, const tactic::Packing& packing) override;
  Status provide(const Tensor& constant) override;
  /// nullptr: the plan does not use it.
  const Wanted* wanted(const Tensor& constant) const;

 private:
  ModelPackedStore& store_;
  std::map<const void*, Wanted> wanted_;
};

}  // namespace slipway::engine
