// Fills config structs from a tree and collects every problem on the way.
#include "core/base/config.h"
#include "core/base/config_keys.h"
#include "core/base/config_scalar.h"
#include "core/base/config_tree.h"
#include "core/base/error.h"

#include <algorithm>
#include <tuple>

namespace eosin::config {
namespace {

constexpr size_t kMostShown = 20;

/// The top-level keys of a config, without values.
class KeyNames final : public Visitor {
 public:
  std::vector<std::string> names;

 private:
  void field(const char* key, FieldRef, const char*, const Rules&) override { names.emplace_back(key); }
  void section(const char* key, ConfigRef, const char*) override { names.emplace_back(key); }
  void choice(const char* key, Choice&, const char*) override { names.emplace_back(key); }
};

std::vector<std::string> names_of(const std::vector<ConfigRow>& table) {
  std::vector<std::string> names;
  for (const ConfigRow& row : table) names.push_back(row.name);
  return names;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& known) {
  const auto near = nearest(word, known);
  return near ? fmt::format("; did you mean '{}'?", *near) : std::string{};
}

class Reader final : public Visitor {
 public:
  Reader(const Node& root, std::string_view verb, bool validates) : root_(root), verb_(verb), validates_(validates) {}

  void run(const ConfigRef& config) {
    Frame top{&root_, "", nullptr, "", {}};
    if (const Node* verb = root_.find("verb")) {
      top.keys.emplace_back("verb");
      if (verb->kind != Node::Kind::Scalar || verb->text != verb_ || verb_.empty())
        problem(verb->origin, "verb",
                verb_.empty() ? fmt::format("is not a key here (got {})", verb->show())
                              : fmt::format("the file is for another verb (got {}, need {})", verb->show(), verb_));
    }
    read_frame(std::move(top), config.visit, config.validate);
    report();
  }

 private:
  struct Frame {
    const Node* node;    // null: nothing below this key is set
    std::string prefix;  // "optim."
    const Choice* choice;
    std::string choice_key;
    std::vector<std::string> keys;  // that the config has, as they are visited
  };
  struct Problem {
    Origin origin;
    std::string text;
  };
  struct Unknown {
    Origin origin;
    std::string prefix, key, owners;
    std::vector<std::string> siblings;
  };

  class Validation final : public Problems {
   public:
    Validation(Reader& reader, std::string prefix) : reader_(reader), prefix_(std::move(prefix)) {}
    void add(std::string_view key, const std::string& message) override {
      const std::string path = prefix_ + std::string(key);
      reader_.problem(deepest(reader_.root_, path).origin, path, message);
    }

   private:
    Reader& reader_;
    std::string prefix_;
  };

  // ------------------------------------------------------------------------------------------ what a config visits
  void field(const char* key, FieldRef value, const char*, const Rules& rules) override {
    const std::string path = enter(key);
    const Node* node = set(key);
    if (node) std::visit([&](auto* out) { assign(*node, path, rules, *out); }, value);
  }

  void section(const char* key, ConfigRef value, const char*) override {
    const std::string path = enter(key);
    const Node* node = set(key);
    if (node && (node->kind == Node::Kind::Scalar || node->kind == Node::Kind::List)) {
      problem(node->origin, path, fmt::format("is a group of keys (got {}, need a map)", node->show()));
      node = nullptr;
    }
    read_frame({node, path + ".", nullptr, "", {}}, value.visit, value.validate);
  }

  void choice(const char* key, Choice& value, const char*) override {
    const std::string path = enter(key);
    const Node* node = set(key);
    const Node* name = node && node->kind == Node::Kind::Map ? node->find("name") : node;
    paths_.push_back(path + ".name");
    if (name && name->kind != Node::Kind::Null) {
      if (name->kind != Node::Kind::Scalar) {
        return problem(name->origin, path, fmt::format("need a name, or a map of keys with a name (got {})", name->show()));
      }
      if (name->text != value.name() && !value.select(name->text)) {
        const auto names = names_of(value.table());
        return problem(
            name->origin, path,
            fmt::format("unknown name (got {}, need one of: {}){}", name->show(), fmt::join(names, ", "), did_you_mean(name->text, names)));
      }
    }
    if (node && node->kind != Node::Kind::Map) node = nullptr;
    AnyConfig& chosen = value.config();
    read_frame(
        {node, path + ".", &value, key, {"name"}}, [&](Visitor& v) { chosen.visit(v); }, [&](Problems& p) { chosen.validate(p); });
  }

  // ------------------------------------------------------------------------------------------ frames
  std::string enter(const char* key) {
    Frame& frame = frames_.back();
    EOSIN_ASSERT(std::find(frame.keys.begin(), frame.keys.end(), key) == frame.keys.end());  // a config visits a key once
    frame.keys.emplace_back(key);
    paths_.push_back(frame.prefix + key);
    return paths_.back();
  }

  const Node* set(const char* key) const { return frames_.back().node ? frames_.back().node->find(key) : nullptr; }

  void read_frame(Frame frame, const std::function<void(Visitor&)>& visit, const std::function<void(Problems&)>& validate) {
    const size_t before = total_;
    const std::string prefix = frame.prefix;
    frames_.push_back(std::move(frame));
    visit(*this);
    refuse_unknown(frames_.back());
    frames_.pop_back();
    Validation validation(*this, prefix);
    if (validates_ && total_ == before) validate(validation);  // a mistyped key would only make it complain about a default
  }

  void refuse_unknown(const Frame& frame) {
    if (!frame.node) return;
    for (const Entry& e : frame.node->entries) {
      if (std::find(frame.keys.begin(), frame.keys.end(), e.key) != frame.keys.end()) continue;
      if (total_++ < kMostShown) unknown_.push_back({e.origin, frame.prefix, e.key, owners(frame, e.key), frame.keys});
    }
  }

  /// "'mask_ratio' is a key of method 'mae', not 'dino'", if any other row has the key.
  static std::string owners(const Frame& frame, const std::string& key) {
    if (!frame.choice) return {};
    std::vector<std::string> rows;
    for (const ConfigRow& row : frame.choice->table()) {
      KeyNames names;
      row.make()->visit(names);
      if (std::find(names.names.begin(), names.names.end(), key) != names.names.end()) rows.push_back("'" + row.name + "'");
    }
    if (rows.empty()) return {};
    return fmt::format("'{}' is a key of {} {}, not '{}'", key, frame.choice_key, fmt::join(rows, " and "), frame.choice->name());
  }

  // ------------------------------------------------------------------------------------------ values
  template <class T>
  bool assign(const Node& node, const std::string& path, const Rules& rules, T& out) {
    const std::string within = rules.range ? " in " + describe(*rules.range) : "";
    T value{};
    std::string need = "one value";
    if (node.kind == Node::Kind::Scalar) need = node.quoted ? "a value without quotes" : parse_scalar(node.text, value);
    if (!need.empty()) return problem(node.origin, path, fmt::format("wrong type (got {}, need {}{})", node.show(), need, within)), false;
    if constexpr (!std::is_same_v<T, bool>) {
      if (rules.range && !inside(*rules.range, static_cast<double>(value)))
        return problem(node.origin, path, fmt::format("out of range (got {}, need a number{})", node.show(), within)), false;
    }
    out = value;
    return true;
  }

  bool assign(const Node& node, const std::string& path, const Rules& rules, std::string& out) {
    if (node.kind != Node::Kind::Scalar)
      return problem(node.origin, path,
                     fmt::format("wrong type (got {}, need text{})", node.show(), node.kind == Node::Kind::Null ? "; '' is empty text" : "")),
             false;
    if (rules.one_of) {
      const auto& words = rules.one_of->words;
      if (std::find(words.begin(), words.end(), node.text) == words.end())
        return problem(node.origin, path,
                       fmt::format("unknown word (got {}, need one of: {}){}", node.show(), fmt::join(words, ", "), did_you_mean(node.text, words))),
               false;
    }
    out = node.text;
    return true;
  }

  /// One value stands for a list of one.
  template <class T>
  bool assign(const Node& node, const std::string& path, const Rules& rules, std::vector<T>& out) {
    std::vector<T> values;
    bool good = true;
    if (node.kind == Node::Kind::List) {
      for (size_t i = 0; i < node.items.size(); ++i)
        good = assign(node.items[i], fmt::format("{}[{}]", path, i), rules, values.emplace_back()) && good;
    } else if (node.kind == Node::Kind::Scalar) {
      good = assign(node, path, rules, values.emplace_back());
    } else {
      return problem(node.origin, path, fmt::format("wrong type (got {}, need a list)", node.show())), false;
    }
    if (rules.length && (values.size() < rules.length->low || values.size() > rules.length->high)) {
      problem(node.origin, path,
              fmt::format("wrong length (got {}, need {})", describe(Length{values.size(), values.size()}), describe(*rules.length)));
      return false;
    }
    if (good) out = std::move(values);
    return good;
  }

  template <class T>
  bool assign(const Node& node, const std::string& path, const Rules& rules, std::optional<T>& out) {
    out.reset();
    return node.kind == Node::Kind::Null || assign(node, path, rules, out.emplace());
  }

  static bool inside(const Range& r, double v) {  // false for NaN
    return (r.open & kOpenLow ? v > r.low : v >= r.low) && (r.open & kOpenHigh ? v < r.high : v <= r.high);
  }

  // ------------------------------------------------------------------------------------------ problems
  void problem(const Origin& origin, const std::string& path, const std::string& message) {
    if (total_++ < kMostShown) problems_.push_back({origin, path + ": " + message});
  }

  std::string describe_unknown(const Unknown& u) const {
    if (!u.owners.empty()) return u.owners;
    if (std::find(paths_.begin(), paths_.end(), u.prefix + u.key) != paths_.end()) return "write the levels of the key as nested maps";
    if (const auto near = nearest(u.key, u.siblings)) return fmt::format("unknown key; did you mean '{}{}'?", u.prefix, *near);
    for (const std::string& path : paths_)  // the right word in the wrong group
      if (path.ends_with("." + u.key)) return fmt::format("unknown key; did you mean '{}'?", path);
    return u.siblings.empty() ? "unknown key" : fmt::format("unknown key; the keys here are: {}", fmt::join(u.siblings, ", "));
  }

  void report() {
    if (total_ == 0) return;
    for (const Unknown& u : unknown_) {
      const Node shortened{Node::Kind::Scalar, false, u.key, {}, {}, {}};
      problems_.push_back({u.origin, fmt::format("{}{}: {}", u.prefix, shortened.show(), describe_unknown(u))});
    }
    const auto place = [](const Problem& p) {
      return std::tuple(!p.origin.file, p.origin.file ? *p.origin.file : "", p.origin.line, p.origin.column);
    };
    std::stable_sort(problems_.begin(), problems_.end(), [&](const Problem& a, const Problem& b) { return place(a) < place(b); });
    std::string text;
    for (const Problem& p : problems_) {
      const std::string where = p.origin.text();
      text += (text.empty() ? "" : "\n") + where + (where.empty() ? "" : ": ") + p.text;
    }
    if (total_ > problems_.size()) text += fmt::format("\nand {} more problems", total_ - problems_.size());
    throw Error(ErrorKind::Config, text);
  }

  const Node& root_;
  std::string verb_;
  const bool validates_;
  std::vector<Frame> frames_;
  std::vector<std::string> paths_;  // every key of the config, dotted
  std::vector<Problem> problems_;
  std::vector<Unknown> unknown_;
  size_t total_ = 0;
};

}  // namespace

Choice::Choice(const std::vector<ConfigRow>& table, std::string_view default_name) : table_(&table) { EOSIN_ASSERT(select(default_name)); }

Choice::Choice(const Choice& other) : table_(other.table_), name_(other.name_), config_(other.config_->clone()) {}

Choice& Choice::operator=(const Choice& other) {
  if (this != &other) *this = Choice(other);
  return *this;
}

bool Choice::select(std::string_view name) {
  for (const ConfigRow& row : *table_) {
    if (row.name != name) continue;
    name_ = row.name;
    config_ = row.make();
    return true;
  }
  return false;
}

void read(const Source& source, Visitor::ConfigRef config, std::string_view verb) { Reader(source.impl->root, verb, true).run(config); }

void read_keys(const Source& source, const VisitFn& visit, std::string_view verb) {
  Reader(source.impl->root, verb, false).run({visit, [](Problems&) {}});
}

}  // namespace eosin::config
