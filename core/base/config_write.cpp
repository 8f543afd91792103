// Everything that is derived from a config's fields beside reading: YAML, JSON, identity, explanation, comparison, schema.
#include "core/base/config.h"
#include "core/base/config_scalar.h"
#include "core/base/config_tree.h"
#include "core/base/error.h"
#include "core/base/sha256.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace eosin::config {
namespace {

using Json = nlohmann::ordered_json;

// ---------------------------------------------------------------------------------------------- values as text
template <class T>
std::string flow(const T& v) {
  return format_scalar(v);
}
template <class T>
std::string flow(const std::vector<T>& v) {
  std::string out;
  for (const T& x : v) out += (out.empty() ? "" : ", ") + flow(x);
  return "[" + out + "]";
}
template <class T>
std::string flow(const std::optional<T>& v) {
  return v ? flow(*v) : "null";
}
std::string flow(const FieldRef& value) {
  return std::visit([](const auto* v) { return flow(*v); }, value);
}

template <class T>
Json json_of(const std::optional<T>& v) {
  return v ? Json(*v) : Json(nullptr);
}
template <class T>
Json json_of(const T& v) {
  return v;
}

// ---------------------------------------------------------------------------------------------- types
struct TypeName {
  std::string text;
  Json schema;
};
TypeName type_of(const bool*) { return {"true or false", {{"type", "boolean"}}}; }
TypeName type_of(const int64_t*) { return {"whole number", {{"type", "integer"}}}; }
TypeName type_of(const double*) { return {"number", {{"type", "number"}}}; }
TypeName type_of(const std::string*) { return {"text", {{"type", "string"}}}; }
template <class T>
TypeName type_of(const std::vector<T>*) {
  const TypeName item = type_of(static_cast<const T*>(nullptr));
  return {"list of " + item.text, {{"type", "array"}, {"items", item.schema}}};
}
template <class T>
TypeName type_of(const std::optional<T>*) {
  TypeName one = type_of(static_cast<const T*>(nullptr));
  one.schema["type"] = {one.schema["type"], "null"};
  return {one.text + " or null", one.schema};
}

void add_rules(Json& schema, const Rules& rules) {
  Json& value = schema.contains("items") ? schema["items"] : schema;
  if (rules.range && std::isfinite(rules.range->low)) value[rules.range->open & kOpenLow ? "exclusiveMinimum" : "minimum"] = rules.range->low;
  if (rules.range && std::isfinite(rules.range->high)) value[rules.range->open & kOpenHigh ? "exclusiveMaximum" : "maximum"] = rules.range->high;
  if (rules.one_of) value["enum"] = rules.one_of->words;
  if (rules.one_of && value["type"].is_array()) value["enum"].push_back(nullptr);
  if (rules.length && schema.contains("items")) {
    schema["minItems"] = rules.length->low;
    if (rules.length->high != SIZE_MAX) schema["maxItems"] = rules.length->high;
  }
}

/// The schema of a field: a list may also be given as its only element.
Json field_schema(const FieldRef& value, const char* help, const Rules& rules) {
  Json schema = std::visit([](const auto* v) { return type_of(v).schema; }, value);
  add_rules(schema, rules);
  if (schema.contains("items")) {
    const Json item = schema["items"];
    schema = Json{{"anyOf", {schema, item}}};
  }
  schema["description"] = help;
  schema["default"] = std::visit([](const auto* v) { return json_of(*v); }, value);
  return schema;
}

// ---------------------------------------------------------------------------------------------- visitors
class YamlWriter final : public Visitor {
 public:
  std::string text;

 private:
  void field(const char* key, FieldRef value, const char*, const Rules&) override { line(key, " " + flow(value)); }
  void section(const char* key, ConfigRef value, const char*) override { group(key, "", value.visit); }
  void choice(const char* key, Choice& value, const char*) override {
    group(key, std::string(indent_ + 2, ' ') + "name: " + format_scalar(value.name()) + "\n", [&](Visitor& v) { value.config().visit(v); });
  }

  void line(const char* key, const std::string& rest) { text += std::string(indent_, ' ') + key + ":" + rest + "\n"; }
  void group(const char* key, const std::string& first, const std::function<void(Visitor&)>& visit) {
    std::string outer = std::move(text);
    text = first;
    indent_ += 2;
    visit(*this);
    indent_ -= 2;
    const std::string body = std::move(text);
    text = std::move(outer);
    line(key, body.empty() ? " {}" : "");
    text += body;
  }
  size_t indent_ = 0;
};

class JsonWriter final : public Visitor {
 public:
  Json json = Json::object();

 private:
  void field(const char* key, FieldRef value, const char*, const Rules&) override {
    json[key] = std::visit([](const auto* v) { return json_of(*v); }, value);
  }
  void section(const char* key, ConfigRef value, const char*) override {
    JsonWriter below;
    value.visit(below);
    json[key] = std::move(below.json);
  }
  void choice(const char* key, Choice& value, const char*) override {
    JsonWriter below;
    below.json["name"] = value.name();
    value.config().visit(below);
    json[key] = std::move(below.json);
  }
};

/// One row a key, dotted, in order.
class Explainer final : public Visitor {
 public:
  std::vector<Row> rows;

 private:
  void field(const char* key, FieldRef value, const char* help, const Rules& rules) override {
    this->rows.push_back({prefix_ + key, std::visit([](const auto* v) { return type_of(v).text; }, value), flow(value), describe(rules), help, ""});
  }
  void section(const char* key, ConfigRef value, const char*) override { below(key, value.visit); }
  void choice(const char* key, Choice& value, const char* help) override {
    Rules names;
    names.add(OneOf{});
    for (const ConfigRow& row : value.table()) names.one_of->words.push_back(row.name);
    rows.push_back({prefix_ + key + ".name", "name", format_scalar(value.name()), describe(names), help, ""});
    below(key, [&](Visitor& v) { value.config().visit(v); });
  }
  void below(const char* key, const std::function<void(Visitor&)>& visit) {
    const std::string outer = prefix_;
    prefix_ += std::string(key) + ".";
    visit(*this);
    prefix_ = outer;
  }
  std::string prefix_;
};

class SchemaWriter final : public Visitor {
 public:
  Json properties = Json::object();

  /// `open`: the tables that are being written around this one.
  explicit SchemaWriter(std::vector<const void*> open = {}) : open_(std::move(open)) {}

  static Json object(Json properties) { return {{"type", "object"}, {"properties", std::move(properties)}, {"additionalProperties", false}}; }

 private:
  void field(const char* key, FieldRef value, const char* help, const Rules& rules) override { properties[key] = field_schema(value, help, rules); }
  void section(const char* key, ConfigRef value, const char* help) override {
    SchemaWriter below(open_);
    value.visit(below);
    properties[key] = object(std::move(below.properties));
    properties[key]["description"] = help;
  }
  /// One alternative a row; only the default row's may leave its name out, so that exactly one of them matches.
  void choice(const char* key, Choice& value, const char* help) override {
    Json alternatives = Json::array(), names = Json::array();
    // A row that holds a choice from its own table (a head before a head) would go on for ever: the inner one is any object with a name.
    const bool is_nested = std::find(open_.begin(), open_.end(), &value.table()) != open_.end();
    std::vector<const void*> open = open_;
    open.push_back(&value.table());
    for (const ConfigRow& row : value.table()) {
      names.push_back(row.name);
      if (is_nested) continue;
      SchemaWriter below(open);
      below.properties["name"] = {{"const", row.name}};
      row.make()->visit(below);
      Json one = object(std::move(below.properties));
      one["description"] = row.one_line;
      if (row.name != value.name()) one["required"] = {"name"};
      alternatives.push_back(std::move(one));
    }
    if (is_nested) alternatives.push_back({{"type", "object"}, {"properties", {{"name", {{"enum", names}}}}}});
    alternatives.push_back({{"enum", names}, {"description", "the name alone: its keys have their defaults"}});
    properties[key] = {{"description", help}, {"oneOf", std::move(alternatives)}};
  }

  std::vector<const void*> open_;
};

std::string flow(const Node& node) {
  if (node.kind == Node::Kind::Null) return "null";
  if (node.kind == Node::Kind::Scalar) return node.text;
  if (node.kind == Node::Kind::Map) return "{}";
  std::string out;
  for (const Node& item : node.items) out += (out.empty() ? "" : ", ") + flow(item);
  return "[" + out + "]";
}

void flatten(const Node& node, const std::string& path, std::vector<std::pair<std::string, std::string>>& out) {
  if (node.kind != Node::Kind::Map || (node.entries.empty() && !path.empty())) {
    out.emplace_back(path, flow(node));
    return;
  }
  for (const Entry& e : node.entries) flatten(e.value, path.empty() ? e.key : path + "." + e.key, out);
}

bool is_below(std::string_view key, std::string_view prefix) {
  return key.starts_with(prefix) && (key.size() == prefix.size() || key[prefix.size()] == '.');
}

}  // namespace

std::string to_yaml(const VisitFn& visit, std::string_view verb) {
  YamlWriter writer;
  visit(writer);
  return (verb.empty() ? "" : fmt::format("verb: {}\n", verb)) + writer.text;
}

nlohmann::ordered_json to_json(const VisitFn& visit) {
  JsonWriter writer;
  visit(writer);
  return std::move(writer.json);
}

std::string hash(const VisitFn& visit, const std::vector<std::string>& ignore) {
  Explainer explainer;
  visit(explainer);
  Sha256 digest;
  for (const Row& row : explainer.rows) {
    if (std::any_of(ignore.begin(), ignore.end(), [&](const std::string& prefix) { return is_below(row.key, prefix); })) continue;
    digest.update(row.key + ": " + row.value + "\n");
  }
  return digest.hex();
}

std::vector<Row> explain(const VisitFn& visit, const Source* source) {
  Explainer explainer;
  visit(explainer);
  for (Row& row : explainer.rows) {
    row.origin = "default";
    if (!source) continue;
    const Node* node = find_path(source->impl->root, row.key);
    if (!node && row.type == "name") {  // `optim: sgd`
      node = find_path(source->impl->root, row.key.substr(0, row.key.rfind('.')));
      if (node && node->kind != Node::Kind::Scalar) node = nullptr;
    }
    if (node) row.origin = node->origin.text();
  }
  return std::move(explainer.rows);
}

std::vector<Difference> diff(const std::string& yaml_a, const std::string& yaml_b) {
  std::vector<std::pair<std::string, std::string>> a, b;
  flatten(parse_yaml(yaml_a, "first config"), "", a);
  flatten(parse_yaml(yaml_b, "second config"), "", b);
  const auto value_in = [](const auto& list, const std::string& key) {
    const auto it = std::find_if(list.begin(), list.end(), [&](const auto& pair) { return pair.first == key; });
    return it == list.end() ? std::string("(not set)") : it->second;
  };
  std::vector<Difference> out;
  for (const auto& [key, value] : a)
    if (const std::string other = value_in(b, key); other != value) out.push_back({key, value, other});
  for (const auto& [key, value] : b)
    if (value_in(a, key) == "(not set)") out.push_back({key, "(not set)", value});
  return out;
}

nlohmann::ordered_json schema(const VisitFn& visit, std::string_view verb) {
  SchemaWriter writer;
  visit(writer);
  Json head = Json::object();
  if (!verb.empty()) head["verb"] = {{"const", verb}, {"description", "the verb that reads this file"}};
  head["extends"] = {{"type", {"string", "array"}},
                     {"description", "a file, or several, whose keys hold unless they are set here or by a later one"}};
  head.update(writer.properties);
  Json out = {{"$schema", "https://json-schema.org/draft/2020-12/schema"}};
  out["title"] = verb.empty() ? "eosin config" : fmt::format("eosin {}", verb);
  out.update(SchemaWriter::object(std::move(head)));
  return out;
}

}  // namespace eosin::config
