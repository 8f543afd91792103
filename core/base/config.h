#pragma once
// Typed configuration: a config is a struct that visits its fields once.
//
//   struct AdamWConfig {
//     double lr = 1e-3;
//     std::vector<double> betas = {0.9, 0.999};
//     void visit(config::Visitor& v) {
//       v("lr", lr, "peak learning rate after warm-up", config::Range{0, 1, config::kOpenLow});
//       v("betas", betas, "decay of first and second moment");
//     }
//     void validate(config::Problems& p) const;       // optional: cross-field rules
//   };
//
// One list, many visitors: read, write the effective config, explain, hash, diff, JSON schema.
// Goals      every key is checked before work begins; an error names file:line:col and the nearest known key.
// Non-goals  interpolation, environment variables, `<<` merge keys (use `extends: ../base.yaml`).
// Rejected   reading YAML by string literals where it is used (marian: 813 places); code generation.
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace eosin::config {

// ---------------------------------------------------------------------------------------------- rules of a field
inline constexpr int kOpenLow = 1, kOpenHigh = 2;
/// Allowed interval of a number (of every element of a list); NaN is always refused.
struct Range {
  double low, high;
  int open = 0;
};
/// Allowed words of a string.
struct OneOf {
  std::vector<std::string> words;
};
/// Allowed number of elements of a list.
struct Length {
  size_t low, high;
};
struct Rules {
  std::optional<Range> range;
  std::optional<OneOf> one_of;
  std::optional<Length> length;
  void add(Range r) { range = r; }
  void add(OneOf o) { one_of = std::move(o); }
  void add(Length l) { length = l; }
};

// ---------------------------------------------------------------------------------------------- choice by name
class Visitor;
class Problems;

/// A config struct behind one interface, so that a table row can own it.
class AnyConfig {
 public:
  virtual ~AnyConfig() = default;
  virtual void visit(Visitor& v) = 0;
  virtual void validate(Problems& p) const = 0;
  virtual std::unique_ptr<AnyConfig> clone() const = 0;
};

template <class T>
class ConfigOf final : public AnyConfig {
 public:
  ConfigOf() = default;
  explicit ConfigOf(T v) : value(std::move(v)) {}
  T value;
  void visit(Visitor& v) override { value.visit(v); }
  void validate(Problems& p) const override {
    if constexpr (requires { value.validate(p); }) value.validate(p);
  }
  std::unique_ptr<AnyConfig> clone() const override { return std::make_unique<ConfigOf>(*this); }
};

/// One selectable implementation: `method: {name: dino, ...}` picks the row "dino", whose keys are those of its config.
struct ConfigRow {
  std::string name;
  std::string one_line;
  std::string source;  // "Author 2024, arXiv:..."
  std::function<std::unique_ptr<AnyConfig>()> make;
};

/// A field that holds one row's config. `table` outlives the choice (it is a function-local static of the area's table file).
class Choice {
 public:
  Choice(const std::vector<ConfigRow>& table, std::string_view default_name);
  Choice(const Choice& other);
  Choice& operator=(const Choice& other);
  Choice(Choice&&) = default;
  Choice& operator=(Choice&&) = default;

  const std::string& name() const { return name_; }
  const std::vector<ConfigRow>& table() const { return *table_; }
  /// Selects a row with its default values; false if the name is unknown.
  bool select(std::string_view name);
  AnyConfig& config() { return *config_; }
  const AnyConfig& config() const { return *config_; }
  /// The selected config as its own type; Internal error if it is another.
  template <class T>
  const T& as() const {
    return dynamic_cast<const ConfigOf<T>&>(*config_).value;
  }

 private:
  const std::vector<ConfigRow>* table_;
  std::string name_;
  std::unique_ptr<AnyConfig> config_;
};

// ---------------------------------------------------------------------------------------------- visiting
using FieldRef = std::variant<bool*, int64_t*, double*, std::string*, std::vector<int64_t>*, std::vector<double>*, std::vector<std::string>*,
                              std::optional<int64_t>*, std::optional<double>*, std::optional<std::string>*>;

template <class T>
concept Struct = requires(T& t, Visitor& v) {
  t.visit(v);
};

/// What a config struct sees. `v(key, field, help, rules...)` for a value, a nested struct, or a Choice.
class Visitor {
 public:
  virtual ~Visitor() = default;

  template <class T, class... R>
  void operator()(const char* key, T& value, const char* help, R... rules) {
    if constexpr (std::is_same_v<T, Choice>) {
      choice(key, value, help);
    } else if constexpr (Struct<T>) {
      ConfigRef ref{[&value](Visitor& v) { value.visit(v); },
                    [&value](Problems& p) {
                      if constexpr (requires { value.validate(p); }) value.validate(p);
                    }};
      section(key, ref, help);
    } else {
      Rules all;
      (all.add(std::move(rules)), ...);
      field(key, FieldRef{&value}, help, all);
    }
  }

  struct ConfigRef {
    std::function<void(Visitor&)> visit;
    std::function<void(Problems&)> validate;
  };

 protected:
  virtual void field(const char* key, FieldRef value, const char* help, const Rules& rules) = 0;
  virtual void section(const char* key, ConfigRef value, const char* help) = 0;
  virtual void choice(const char* key, Choice& value, const char* help) = 0;
};

/// Collects the messages of validate(). `key` is dotted and relative to the struct; the reader adds where its value was set.
class Problems {
 public:
  virtual ~Problems() = default;
  virtual void add(std::string_view key, const std::string& message) = 0;
};

// ---------------------------------------------------------------------------------------------- reading
/// A parsed file with its `extends` chain and overrides merged; every value remembers where it was set.
class Source {
 public:
  /// No file: keys and defaults alone.
  Source();
  ~Source();
  Source(Source&&) noexcept;
  Source& operator=(Source&&) noexcept;

  /// Reads a YAML file (at most 1 MB) and its `extends` chain: maps merge, lists replace.
  /// Errors   Config, with file:line:col: bad YAML, duplicate key, `<<`, cycle or missing file in `extends`, too deep or too many nodes.
  static Source from_file(const std::string& path);
  /// Applies one command-line override "a.b=value" (origin "command line").
  void override_with(std::string_view assignment);

  /// The scalar at the dotted path `key` ("verb", "run.name"), if present; not marked as used.
  std::optional<std::string> peek(std::string_view key) const;

  struct Impl;
  std::unique_ptr<Impl> impl;
};

/// Reads every field, then validates. Unknown, mistyped and out-of-range keys and validate() problems are one Config error that
/// lists all of them, one a line, each "file:line:col: key: what is wrong (got X, need Y); did you mean 'Z'?".
/// The top-level key "verb" is accepted when `verb` is its value, and refused otherwise.
void read(const Source& source, Visitor::ConfigRef config, std::string_view verb = {});
template <Struct T>
void read(const Source& source, T& config, std::string_view verb = {}) {
  read(source,
       Visitor::ConfigRef{[&](Visitor& v) { config.visit(v); },
                          [&](Problems& p) {
                            if constexpr (requires { config.validate(p); }) config.validate(p);
                          }},
       verb);
}

// ---------------------------------------------------------------------------------------------- other visitors
using VisitFn = std::function<void(Visitor&)>;

/// The effective config as YAML with every default explicit; `verb` first when given; reading it back gives the same values.
std::string to_yaml(const VisitFn& visit, std::string_view verb = {});
/// The effective config as JSON (for manifests and results).
nlohmann::ordered_json to_json(const VisitFn& visit);
/// SHA-256 (hex, 64 characters) of the effective config's canonical text: the run's identity. Keys below `ignore` (dotted prefixes) are left out.
std::string hash(const VisitFn& visit, const std::vector<std::string>& ignore = {});

struct Row {  // one key of explain
  std::string key, type, value, rules, help, origin;
};
/// Every key with type, current value, range and help; `source` (may be null) gives the origin: "file:line:col", "command line" or "default".
std::vector<Row> explain(const VisitFn& visit, const Source* source = nullptr);

struct Difference {
  std::string key, a, b;
};
/// The keys in which two effective configs (YAML text as to_yaml writes it) differ, in order.
std::vector<Difference> diff(const std::string& yaml_a, const std::string& yaml_b);

/// JSON Schema (draft 2020-12) for editor completion.
nlohmann::ordered_json schema(const VisitFn& visit, std::string_view verb);

/// The nearest of `known` to `word` by Damerau-Levenshtein distance, within min(len/2 + 1, 3); for "did you mean".
std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& known);

template <Struct T>
VisitFn visit_of(T& config) {
  return [&config](Visitor& v) { config.visit(v); };
}

}  // namespace eosin::config
