#pragma once
// Python pickles as data: the opcodes of protocols 2 to 5 build a graph of values, and nothing is ever called or imported.
//
// A call in the stream (REDUCE, NEWOBJ) becomes a value that says what would be called with which arguments; what it means is up to the
// reader of the graph. Only globals that the reader allows may occur at all.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace eosin::pickle {

/// Position of a value in its graph. Values may be shared, and may contain themselves.
using Ref = uint32_t;

enum class Kind : uint8_t { kNone, kBool, kInteger, kLong, kFloat, kText, kBytes, kList, kTuple, kDict, kSet, kGlobal, kPersistent, kCall };
const char* name(Kind kind) noexcept;

struct Value {
  Kind kind = Kind::kNone;
  bool built = false;      // kCall: the stream sets a state too (BUILD), which is not kept
  int64_t integer = 0;     // kBool, kInteger; kFloat: its bits; kGlobal: its position in the list of allowed ones
  std::string_view text;   // kText, kBytes; kLong: two's complement, little-endian
  std::vector<Ref> items;  // kList, kTuple, kSet; kDict: key, value, key, value; kPersistent: the id; kCall: callee, arguments, then
                           // what was appended or set afterwards, as in kList or kDict
};

struct Graph {
  std::vector<Value> values;  // those that a call or a container needs come before it
  Ref root = 0;
  size_t bytes = 0;  // length of the pickle
  const Value& operator[](Ref ref) const { return values[ref]; }
};

/// Interprets the pickle at the beginning of `bytes`, which the graph refers to. No globals but `allowed` ("module.name") may occur.
///
/// Errors   Data naming `where`, the byte and the rule broken: a global that is not allowed (by its name), unknown opcodes and those of
///          protocols 0 and 1, stack or memo underflow, counts beyond the end, no STOP, more than 1,000 open levels, 1 million values.
/// Checked  golden data.pickle_reader; tests/tensor/test_torch_archive.cpp.
Graph parse(std::span<const uint8_t> bytes, const std::string& where, std::span<const std::string_view> allowed);

}  // namespace eosin::pickle
