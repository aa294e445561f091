// What a model file may ask for. Each limit is checked before the memory it guards is allocated.
#pragma once

#include <cstddef>
#include <cstdint>

namespace slipway::import::onnx {

constexpr int64_t kOldestIrVersion = 3, kNewestIrVersion = 14;
/// Of the standard domain. Operators refuse what is older than their own upgrades understand.
constexpr int64_t kOldestOpset = 1, kNewestOpset = 28;

constexpr int kMaxGraphDepth = 32;                    ///< sub-graphs inside sub-graphs
constexpr int kMaxFunctionDepth = 32;                 ///< functions that call functions
constexpr int kMaxTypeDepth = 8;                      ///< sequences of maps of optionals ...
constexpr size_t kMaxNodes = size_t{1} << 20;         ///< in the file
constexpr size_t kMaxInlinedNodes = size_t{1} << 17;  ///< made by calls of functions
constexpr size_t kMaxNames = size_t{1} << 23;         ///< inputs and outputs of all nodes, functions expanded
constexpr size_t kMaxAttributes = size_t{1} << 22;
constexpr size_t kMaxTensors = size_t{1} << 20;
constexpr size_t kMaxEntries = size_t{1} << 20;  ///< metadata, declared values, opset imports, functions
constexpr size_t kMaxSymbols = 2048;             ///< names of symbolic extents of graph inputs and outputs
constexpr size_t kMaxSymbolBytes = 256;
constexpr size_t kMaxSymbolCopies = size_t{1} << 20;  ///< symbols times sub-graphs: each graph holds the whole list
constexpr size_t kMaxNameBytes = size_t{1} << 16;
constexpr size_t kMaxStringBytes = size_t{1} << 26;  ///< one string attribute, string element or metadata value
constexpr size_t kMaxTensorBytes = size_t{1} << 40;  ///< one tensor, by its declared extents
constexpr int64_t kMaxTensorElements = int64_t{1} << 40;
constexpr int64_t kMaxExpandedBytes = int64_t{1} << 28;  ///< all sparse tensors of a model, made dense
constexpr size_t kMaxNamesPerProblem = 5;                ///< node names that the error sentence lists for one problem
constexpr size_t kMaxProblems = 64;                      ///< kinds of problems that the error sentence lists

}  // namespace slipway::import::onnx
