// YAML text to tree, the `extends` chain and command-line overrides. The only file that knows yaml-cpp.
#include "core/base/config.h"

#include "core/base/config_tree.h"
#include "core/base/error.h"
#include "core/base/text.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <sstream>
#include <unordered_map>
#include <unordered_set>

namespace eosin::config {
namespace fs = std::filesystem;
namespace {

constexpr size_t kMaxBytes = 1'000'000;  // of one file
constexpr size_t kMaxNodes = 100'000;    // of one file, aliases expanded
constexpr size_t kMaxDepth = 32;
constexpr size_t kMaxExtends = 16;
// A comment after the text: yaml-cpp takes a newline at the end of the file for a closing quote.
constexpr char kEnd[] = "#";

bool is_null_word(std::string_view s) { return s.empty() || s == "~" || s == "null" || s == "Null" || s == "NULL"; }

size_t count(const Node& n) {
  size_t total = 1;
  for (const Node& i : n.items) total += count(i);
  for (const Entry& e : n.entries) total += count(e.value);
  return total;
}

size_t depth(const Node& n) {
  size_t below = 0;
  for (const Node& i : n.items) below = std::max(below, depth(i));
  for (const Entry& e : n.entries) below = std::max(below, depth(e.value));
  return below + 1;
}

/// Builds the tree from yaml-cpp's events, where duplicate keys and aliases are still visible.
class Builder final : public YAML::EventHandler {
 public:
  explicit Builder(std::shared_ptr<const std::string> file) : file_(std::move(file)) {}
  std::optional<Node> root;

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (root) bad(mark, "a second YAML document begins here; a config is one document");
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (key_expected()) bad(mark, "a key is empty");
    begin(mark, Node::Kind::Null, "", anchor);
    end();
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& text) override {
    if (key_expected()) return take_key(mark, tag, text);
    begin(mark, Node::Kind::Scalar, tag, anchor).text = text;
    end();
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (key_expected()) bad(mark, "an alias cannot be a key");
    const auto it = anchors_.find(anchor);
    if (it == anchors_.end()) bad(mark, "an alias lies inside its own anchor");
    nodes_ += count(it->second);
    if (nodes_ > kMaxNodes || open_.size() + depth(it->second) > kMaxDepth) too_much(mark);
    attach(Node(it->second));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    if (key_expected()) bad(mark, "a list cannot be a key");
    begin(mark, Node::Kind::List, tag, anchor);
  }
  void OnSequenceEnd() override { end(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    if (key_expected()) bad(mark, "a map cannot be a key");
    begin(mark, Node::Kind::Map, tag, anchor);
  }
  void OnMapEnd() override { end(); }

 private:
  struct Open {
    Node node;
    YAML::anchor_t anchor;
    std::unordered_set<std::string> keys;
    std::optional<Entry> pending;  // key read, value to come
  };

  [[noreturn]] void bad(const YAML::Mark& mark, const std::string& what) const { fail(ErrorKind::Config, "{}: {}", at(mark).text(), what); }
  [[noreturn]] void too_much(const YAML::Mark& mark) const {
    bad(mark, fmt::format("more than {} values or {} levels, aliases expanded; this is no config", kMaxNodes, kMaxDepth));
  }
  Origin at(const YAML::Mark& mark) const { return {file_, mark.line + 1, mark.column + 1}; }
  bool key_expected() const { return !open_.empty() && open_.back().node.kind == Node::Kind::Map && !open_.back().pending; }

  void take_key(const YAML::Mark& mark, const std::string& tag, const std::string& key) {
    if (tag != "?" && tag != "!") bad(mark, "YAML tags are not used in configs");
    if (key == "<<") bad(mark, "merge keys ('<<') are not supported; use 'extends: other.yaml' at the top of the file");
    if (!open_.back().keys.insert(key).second) bad(mark, fmt::format("{}: duplicate key; remove one of the two", key));
    open_.back().pending = Entry{key, at(mark), {}};
  }
  Node& begin(const YAML::Mark& mark, Node::Kind kind, const std::string& tag, YAML::anchor_t anchor) {
    if (!tag.empty() && tag != "?" && tag != "!") bad(mark, fmt::format("YAML tags are not used in configs (got '{}'); quote text instead", tag));
    if (++nodes_ > kMaxNodes || open_.size() >= kMaxDepth) too_much(mark);
    Node& node = open_.emplace_back(Open{{}, anchor, {}, {}}).node;
    node.kind = kind;
    node.quoted = tag == "!";
    node.origin = at(mark);
    return node;
  }
  void end() {
    Open done = std::move(open_.back());
    open_.pop_back();
    if (done.anchor != 0) anchors_[done.anchor] = done.node;
    attach(std::move(done.node));
  }
  void attach(Node node) {
    if (open_.empty()) {
      root = std::move(node);
    } else if (Open& parent = open_.back(); parent.node.kind == Node::Kind::List) {
      parent.node.items.push_back(std::move(node));
    } else {
      parent.pending->value = std::move(node);
      parent.node.entries.push_back(std::move(*parent.pending));
      parent.pending.reset();
    }
  }

  std::shared_ptr<const std::string> file_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, Node> anchors_;
  size_t nodes_ = 0;
};

std::string line_of(const std::string& text, int number) {
  std::istringstream in(text);
  std::string line;
  for (int i = 0; i <= number && std::getline(in, line); ++i) {
  }
  return line;
}

/// yaml-cpp's words, with what most often is the reason.
std::string hint(const std::string& text, const YAML::ParserException& e) {
  const std::string line = line_of(text, e.mark.line);
  const size_t indent = line.find_first_not_of(" ");
  if (indent != std::string::npos && line[indent] == '\t') return "; indent with spaces, not with tabs";
  if (e.msg == "illegal EOF in scalar") return "; a quote is never closed";
  if (e.msg == "illegal map value") return "; check the indentation, and quote text that holds ': '";
  return {};
}

std::string read_text(const std::string& path, const std::string& where) {
  std::error_code ignored;
  EOSIN_CHECK(fs::exists(path, ignored), Config, "{}no such file '{}'", where, path);
  EOSIN_CHECK(fs::is_regular_file(path, ignored), Config, "{}'{}' is not a regular file", where, path);
  std::ifstream in(path, std::ios::binary);
  EOSIN_CHECK(in, Config, "{}cannot open '{}' for reading", where, path);
  std::string text(kMaxBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(in.gcount()));
  EOSIN_CHECK(text.size() <= kMaxBytes, Config, "{}'{}' has more than {} bytes; this is no config", where, path, kMaxBytes);
  return text;
}

/// Maps merge, everything else replaces. A plain name below a map of keys is that choice's name: `optim: sgd`, then `optim.lr=0.1`.
void merge(Node& base, Node over) {
  if (over.kind != Node::Kind::Map || base.kind == Node::Kind::Null || base.kind == Node::Kind::List) {
    base = std::move(over);
    return;
  }
  if (base.kind == Node::Kind::Scalar) {
    Node map;
    map.kind = Node::Kind::Map;
    map.origin = base.origin;
    map.entries.push_back({"name", base.origin, std::move(base)});
    base = std::move(map);
  }
  std::unordered_map<std::string, size_t> places;
  for (size_t i = 0; i < base.entries.size(); ++i) places.emplace(base.entries[i].key, i);
  for (Entry& e : over.entries) {
    if (const auto it = places.find(e.key); it != places.end()) {
      base.entries[it->second].origin = e.origin;
      merge(base.entries[it->second].value, std::move(e.value));
    } else {
      base.entries.push_back(std::move(e));
    }
  }
}

/// The files that are open on the way to the one being read, and how many were read in all.
struct Extending {
  std::vector<std::string> chain;
  size_t files = 0;
};

/// The path of one file, or a list of them.
std::vector<const Node*> paths_of(const Node& extends) {
  std::vector<const Node*> paths;
  if (extends.kind == Node::Kind::Scalar) paths.push_back(&extends);
  for (const Node& item : extends.items) paths.push_back(&item);
  const bool good = !paths.empty() && std::all_of(paths.begin(), paths.end(), [](const Node* n) { return n->kind == Node::Kind::Scalar; });
  EOSIN_CHECK(good, Config, "{}: extends: need the path of a file, or a list of them (got {})", extends.origin.text(), extends.show());
  return paths;
}

Node load(const std::string& path, Extending& extending, const std::string& where) {
  std::error_code ignored;
  const std::string real = fs::weakly_canonical(path, ignored).string();
  auto& chain = extending.chain;
  EOSIN_CHECK(std::find(chain.begin(), chain.end(), real) == chain.end(), Config, "{}the chain of 'extends' comes back to '{}'", where, path);
  EOSIN_CHECK(extending.files++ < kMaxExtends, Config, "{}more than {} files extend each other", where, kMaxExtends);
  Node root = parse_yaml(read_text(path, where), path);
  if (root.kind == Node::Kind::Null) root.kind = Node::Kind::Map;
  EOSIN_CHECK(root.kind == Node::Kind::Map, Config, "{}: need a map of keys at the top (got {})", root.origin.text(), root.show());
  const auto it = std::find_if(root.entries.begin(), root.entries.end(), [](const Entry& e) { return e.key == "extends"; });
  if (it == root.entries.end()) return root;
  const Node extends = std::move(it->value);
  root.entries.erase(it);
  Node base;
  base.kind = Node::Kind::Map;
  chain.push_back(real);
  for (const Node* from : paths_of(extends))
    merge(base, load((fs::path(path).parent_path() / from->text).string(), extending, from->origin.text() + ": extends: "));
  chain.pop_back();
  base.origin = root.origin;
  merge(base, std::move(root));
  return base;
}

bool is_key(std::string_view word) {
  return !word.empty() && std::all_of(word.begin(), word.end(), [](unsigned char c) { return std::isalnum(c) || c == '_' || c == '-'; });
}

}  // namespace

Node parse_yaml(const std::string& text, const std::string& name) {
  Builder builder(std::make_shared<const std::string>(name));
  const std::string_view body = std::string_view(text).substr(text.starts_with("\xEF\xBB\xBF") ? 3 : 0);
  if (const size_t at = find_non_text(body); at != std::string_view::npos) {
    fail(ErrorKind::Config, "{}:{}: byte 0x{:02x} is not text; a config is UTF-8", name, std::count(body.begin(), body.begin() + at, '\n') + 1,
         static_cast<unsigned char>(body[at]));
  }
  std::string fenced(body);
  if (!fenced.empty() && fenced.back() != '\n') fenced += '\n';
  fenced += kEnd;
  std::istringstream in(fenced);
  try {
    YAML::Parser parser(in);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::ParserException& e) {
    const std::string what = e.msg == "bad file" ? "nested too deeply" : e.msg;
    fail(ErrorKind::Config, "{}:{}:{}: bad YAML: {}{}", name, e.mark.line + 1, e.mark.column + 1, what, hint(text, e));
  }
  if (builder.root) return std::move(*builder.root);
  Node empty;
  empty.origin = {std::make_shared<const std::string>(name), 1, 1};
  return empty;
}

std::string Origin::text() const {
  if (!file) return {};
  return line == 0 ? *file : fmt::format("{}:{}:{}", *file, line, column);
}

const Node* Node::find(std::string_view key) const {
  for (const Entry& e : entries)
    if (e.key == key) return &e.value;
  return nullptr;
}

std::string Node::show() const {
  constexpr size_t kMost = 60;
  std::string out;
  if (kind == Kind::Null) return "nothing";
  if (kind == Kind::Scalar) out = quoted ? "'" + text + "'" : text;
  if (kind == Kind::Map) return entries.empty() ? "an empty map" : fmt::format("a map with the key '{}'", entries.front().key.substr(0, kMost));
  if (kind == Kind::List) {
    for (size_t i = 0; i < items.size() && out.size() < kMost; ++i) out += (i ? ", " : "") + items[i].show();
    out = "[" + out + "]";
  }
  if (out.size() > kMost) {
    size_t cut = kMost;  // never inside a UTF-8 sequence
    while (cut > 0 && (static_cast<unsigned char>(out[cut]) & 0xC0) == 0x80) --cut;
    out = out.substr(0, cut) + "...";
  }
  return out;
}

const Node& deepest(const Node& root, std::string_view key) {
  const Node* at = &root;
  while (!key.empty()) {
    const size_t dot = key.find('.');
    const Node* next = at->find(key.substr(0, dot));
    if (!next) break;
    at = next;
    key = dot == std::string_view::npos ? std::string_view{} : key.substr(dot + 1);
  }
  return *at;
}

const Node* find_path(const Node& root, std::string_view key) {
  const Node* at = &root;
  while (at && !key.empty()) {
    const size_t dot = key.find('.');
    at = at->find(key.substr(0, dot));
    key = dot == std::string_view::npos ? std::string_view{} : key.substr(dot + 1);
  }
  return at;
}

Source::Source() : impl(std::make_unique<Impl>()) { impl->root.kind = Node::Kind::Map; }
Source::~Source() = default;
Source::Source(Source&&) noexcept = default;
Source& Source::operator=(Source&&) noexcept = default;

Source Source::from_file(const std::string& path) {
  Source source;
  Extending extending;
  source.impl->root = load(path, extending, "");
  return source;
}

void Source::override_with(std::string_view assignment) {
  const size_t equals = assignment.find('=');
  EOSIN_CHECK(equals != std::string_view::npos, Config, "command line: '{}' is not key=value", assignment);
  EOSIN_CHECK(find_non_text(assignment) == std::string_view::npos, Config, "command line: '{}' is not UTF-8 text", assignment.substr(0, equals));
  const Origin origin{std::make_shared<const std::string>("command line"), 0, 0};
  const std::string key(assignment.substr(0, equals)), value(assignment.substr(equals + 1));

  // Only lists, maps and quotes are YAML; a word is taken as typed, so that slides=*.svs and name=a:b need no quotes.
  Node node;
  if (!value.empty() && std::string_view("[{\"'").find(value[0]) != std::string_view::npos) {
    node = parse_yaml(value, "command line: " + key);
  } else {
    node.kind = !value.empty() && is_null_word(value) ? Node::Kind::Null : Node::Kind::Scalar;
    node.quoted = value.empty();
    node.text = value;
  }
  const std::function<void(Node&)> came_from_here = [&](Node& n) {
    n.origin = origin;
    for (Node& i : n.items) came_from_here(i);
    for (Entry& e : n.entries) {
      e.origin = origin;
      came_from_here(e.value);
    }
  };
  came_from_here(node);

  for (std::string rest = key;;) {
    const size_t dot = rest.rfind('.');
    const std::string word = dot == std::string::npos ? rest : rest.substr(dot + 1);
    EOSIN_CHECK(is_key(word), Config, "command line: '{}' is not a key; write key=value with dots between the levels", key);
    Node parent;
    parent.kind = Node::Kind::Map;
    parent.origin = origin;
    parent.entries.push_back({word, origin, std::move(node)});
    node = std::move(parent);
    if (dot == std::string::npos) break;
    rest.resize(dot);
  }
  const Origin root_origin = impl->root.origin;
  merge(impl->root, std::move(node));
  impl->root.origin = root_origin;
}

std::optional<std::string> Source::peek(std::string_view key) const {
  const Node* node = find_path(impl->root, key);
  if (!node || node->kind != Node::Kind::Scalar) return std::nullopt;
  return node->text;
}

}  // namespace eosin::config
