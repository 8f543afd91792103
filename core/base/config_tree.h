#pragma once
// The tree of a parsed config: what lies between YAML (config.cpp, the only file that knows yaml-cpp) and the visitors
// (config_read.cpp, config_write.cpp). Internal to core/base.
#include "core/base/config.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace eosin::config {

/// Where a value was set. Lines and columns count from 1; the command line has none.
struct Origin {
  std::shared_ptr<const std::string> file;  // or "command line"; null: nowhere (a default)
  int line = 0, column = 0;

  std::string text() const;
};

struct Entry;

struct Node {
  enum class Kind { Null, Scalar, List, Map };
  Kind kind = Kind::Null;
  bool quoted = false;  // a quoted scalar is text, whatever it looks like
  std::string text;
  std::vector<Node> items;
  std::vector<Entry> entries;
  Origin origin;

  const Node* find(std::string_view key) const;
  /// As one line of YAML flow style, shortened for messages.
  std::string show() const;
};

struct Entry {
  std::string key;
  Origin origin;  // of the key
  Node value;
};

/// Parses one YAML document (null if it is empty). Refuses what yaml-cpp lets through: duplicate keys, `<<`, tags, open quotes, a second
/// document, deep nesting, alias bombs, bytes that are not UTF-8 text.
Node parse_yaml(const std::string& text, const std::string& name);

/// The deepest node on the dotted path `key` (the node itself where it is set), never null.
const Node& deepest(const Node& root, std::string_view key);
/// The node at the dotted path, or null.
const Node* find_path(const Node& root, std::string_view key);

struct Source::Impl {
  Node root;
};

}  // namespace eosin::config
