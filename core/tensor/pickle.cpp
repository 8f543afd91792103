#include "core/tensor/pickle.h"

#include "core/base/byte_reader.h"
#include "core/base/error.h"

#include <algorithm>
#include <charconv>
#include <unordered_map>

namespace eosin::pickle {
namespace {

// A stream of n bytes can ask for many times n bytes of memory; these keep that below some 200 MB.
constexpr size_t kMaxLevels = 1000, kMaxValues = 1'000'000, kMaxStack = 1'000'000, kMaxItems = 8'000'000, kMaxMemo = 1'000'000;

class Machine {
 public:
  Machine(std::span<const uint8_t> bytes, const std::string& where, std::span<const std::string_view> allowed)
      : in_(bytes, where), where_(where), allowed_(allowed) {}

  Graph run() {
    if (in_.number<uint8_t>() != kProto) bad("it does not begin with its protocol (protocols 0 and 1 are not read)");
    const auto protocol = in_.number<uint8_t>();
    if (protocol < 2 || protocol > 5) bad("protocol {} is not read (need 2 to 5)", protocol);
    for (op_ = in_.number<uint8_t>(); op_ != kStop; op_ = in_.number<uint8_t>())
      if (!(number() || text() || container() || memo() || call() || frame())) bad("opcode {:#04x} is not read", op_);
    graph_.root = pop();
    if (!stack_.empty() || !marks_.empty()) bad("values are left at its end");
    graph_.bytes = in_.position();
    return std::move(graph_);
  }

 private:
  static constexpr uint8_t kProto = 0x80, kStop = '.';

  template <class... Args>
  [[noreturn]] void bad(fmt::format_string<Args...> format, Args&&... args) const {
    fail(ErrorKind::Data, "[{}] bad pickle at byte {}: {}", where_, in_.position(), fmt::format(format, std::forward<Args>(args)...));
  }

  Value& make(Kind kind) {
    if (graph_.values.size() >= kMaxValues) bad("more than {} values", kMaxValues);
    push(static_cast<Ref>(graph_.values.size()));
    Value& value = graph_.values.emplace_back();
    value.kind = kind;
    return value;
  }
  bool make(Kind kind, int64_t integer) {
    make(kind).integer = integer;
    return true;
  }
  bool make(Kind kind, std::string_view text) {
    make(kind).text = text;
    return true;
  }
  void push(Ref ref) {
    if (stack_.size() >= kMaxStack) bad("more than {} values on its stack", kMaxStack);
    stack_.push_back(ref);
  }
  /// Bottom of what the innermost open MARK allows to take.
  size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  Ref pop() {
    if (stack_.size() <= floor()) bad("stack underflow");
    const Ref top = stack_.back();
    stack_.pop_back();
    return top;
  }
  Value& top() {
    if (stack_.size() <= floor()) bad("stack underflow");
    return graph_.values[stack_.back()];
  }
  /// The `n` last values of the stack, in their order.
  std::vector<Ref> pop_some(size_t n) {
    if (stack_.size() < floor() + n) bad("stack underflow");
    if ((items_ += n) > kMaxItems) bad("more than {} items", kMaxItems);
    std::vector<Ref> taken(stack_.end() - static_cast<std::ptrdiff_t>(n), stack_.end());
    stack_.resize(stack_.size() - n);
    return taken;
  }
  std::vector<Ref> pop_to_mark() {
    if (marks_.empty()) bad("no MARK is open");
    std::vector<Ref> taken = pop_some(stack_.size() - marks_.back());
    marks_.pop_back();
    return taken;
  }
  bool make(Kind kind, std::vector<Ref> items) {
    make(kind).items = std::move(items);
    return true;
  }
  std::string_view line() {
    const char* begin = in_.text(0).data();
    size_t n = 0;
    while (in_.text(1)[0] != '\n') ++n;
    return {begin, n};
  }

  bool number() {
    switch (op_) {
      case 'N':
        make(Kind::kNone);
        return true;
      case 0x88:
      case 0x89:
        return make(Kind::kBool, op_ == 0x88);
      case 'J':
        return make(Kind::kInteger, in_.number<int32_t>());
      case 'K':
        return make(Kind::kInteger, in_.number<uint8_t>());
      case 'M':
        return make(Kind::kInteger, in_.number<uint16_t>());
      case 'I':
        return decimal(line());
      case 0x8A:
        return long_integer(in_.number<uint8_t>());
      case 0x8B:
        return long_integer(length(in_.number<int32_t>()));
      case 'G':
        return floating(in_.take(8));
      default:
        return false;
    }
  }
  bool decimal(std::string_view digits) {
    int64_t value = 0;
    const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (code != std::errc() || end != digits.data() + digits.size()) bad("'{}' is no integer of 64 bits", digits);
    return make(digits == "00" || digits == "01" ? Kind::kBool : Kind::kInteger, value);
  }
  bool long_integer(uint64_t n) {
    const std::string_view bytes = in_.text(n);
    if (n > 8) return make(Kind::kLong, bytes);
    uint64_t value = n > 0 && (bytes.back() & 0x80) ? ~uint64_t{0} : 0;
    for (size_t i = n; i-- > 0;) value = value << 8 | static_cast<uint8_t>(bytes[i]);
    return make(Kind::kInteger, static_cast<int64_t>(value));
  }
  bool floating(std::span<const uint8_t> big_endian) {
    uint64_t bits = 0;
    for (const uint8_t b : big_endian) bits = bits << 8 | b;
    return make(Kind::kFloat, static_cast<int64_t>(bits));
  }
  uint64_t length(int32_t n) const {
    if (n < 0) bad("negative length {}", n);
    return static_cast<uint64_t>(n);
  }

  bool text() {
    switch (op_) {
      case 'X':
        return make(Kind::kText, in_.text(in_.number<uint32_t>()));
      case 0x8C:
      case 'U':
        return make(Kind::kText, in_.text(in_.number<uint8_t>()));
      case 0x8D:
        return make(Kind::kText, in_.text(in_.number<uint64_t>()));
      case 'T':
        return make(Kind::kText, in_.text(length(in_.number<int32_t>())));
      case 'B':
        return make(Kind::kBytes, in_.text(in_.number<uint32_t>()));
      case 'C':
        return make(Kind::kBytes, in_.text(in_.number<uint8_t>()));
      case 0x8E:
      case 0x96:
        return make(Kind::kBytes, in_.text(in_.number<uint64_t>()));
      default:
        return false;
    }
  }

  bool container() {
    switch (op_) {
      case '(':
        if (marks_.size() >= kMaxLevels) bad("more than {} levels", kMaxLevels);
        marks_.push_back(stack_.size());
        return true;
      case ']':
        make(Kind::kList);
        return true;
      case ')':
        make(Kind::kTuple);
        return true;
      case '}':
        make(Kind::kDict);
        return true;
      case 0x8F:
        make(Kind::kSet);
        return true;
      case 't':
        return make(Kind::kTuple, pop_to_mark());
      case 'l':
        return make(Kind::kList, pop_to_mark());
      case 'd':
        return make(Kind::kDict, pairs(pop_to_mark()));
      case 0x91:
        return make(Kind::kSet, pop_to_mark());
      case 0x85:
      case 0x86:
      case 0x87:
        return make(Kind::kTuple, pop_some(op_ - 0x84u));
      case 'a':
        return extend(pop_some(1), Kind::kList);
      case 'e':
        return extend(pop_to_mark(), Kind::kList);
      case 0x90:
        return extend(pop_to_mark(), Kind::kSet);
      case 's':
        return extend(pairs(pop_some(2)), Kind::kDict);
      case 'u':
        return extend(pairs(pop_to_mark()), Kind::kDict);
      default:
        return false;
    }
  }
  std::vector<Ref> pairs(std::vector<Ref> items) const {
    if (items.size() % 2 != 0) bad("a dictionary's key has no value");
    return items;
  }
  /// Adds to the container at the top of the stack, or to the object that a call would have made.
  bool extend(const std::vector<Ref>& items, Kind kind) {
    Value& target = top();
    if (target.kind != kind && target.kind != Kind::kCall) bad("items are added to a {}", name(target.kind));
    target.items.insert(target.items.end(), items.begin(), items.end());
    return true;
  }

  bool memo() {
    switch (op_) {
      case '0':
        if (!marks_.empty() && marks_.back() == stack_.size())
          marks_.pop_back();
        else
          pop();
        return true;
      case '1':
        pop_to_mark();
        return true;
      case '2':
        top();
        push(stack_.back());
        return true;
      case 'q':
        return put(in_.number<uint8_t>());
      case 'r':
        return put(in_.number<uint32_t>());
      case 0x94:
        return put(static_cast<uint32_t>(memo_.size()));
      case 'h':
        return get(in_.number<uint8_t>());
      case 'j':
        return get(in_.number<uint32_t>());
      default:
        return false;
    }
  }
  bool put(uint32_t slot) {
    top();
    if (memo_.size() >= kMaxMemo) bad("more than {} values in its memo", kMaxMemo);
    memo_[slot] = stack_.back();
    return true;
  }
  bool get(uint32_t slot) {
    const auto it = memo_.find(slot);
    if (it == memo_.end()) bad("its memo has no {}", slot);
    push(it->second);
    return true;
  }

  bool call() {
    switch (op_) {
      case 'c': {
        const std::string_view module = line();
        return global(module, line());
      }
      case 0x93: {
        const std::vector<Ref> names = pop_some(2);
        const Value &module = graph_[names[0]], &member = graph_[names[1]];
        if (module.kind != Kind::kText || member.kind != Kind::kText) bad("a global's name is not text");
        return global(module.text, member.text);
      }
      case 'Q':
        return make(Kind::kPersistent, pop_some(1));
      case 'R':
      case 0x81: {
        std::vector<Ref> items = pop_some(2);
        if (graph_[items[0]].kind != Kind::kGlobal) bad("a {} is called", name(graph_[items[0]].kind));
        if (graph_[items[1]].kind != Kind::kTuple) bad("arguments of a call are a {}", name(graph_[items[1]].kind));
        return make(Kind::kCall, std::move(items));
      }
      case 'b':
        pop();
        if (top().kind != Kind::kCall) bad("a state is set on a {}", name(top().kind));
        top().built = true;
        return true;
      default:
        return false;
    }
  }
  bool global(std::string_view module, std::string_view member) {
    const std::string wanted = fmt::format("{}.{}", module, member);
    const auto it = std::find(allowed_.begin(), allowed_.end(), wanted);
    if (it == allowed_.end()) bad("it asks for {}, which has no place in a file of tensors; nothing was run", wanted.substr(0, 200));
    return make(Kind::kGlobal, it - allowed_.begin());
  }

  bool frame() {
    if (op_ != 0x95) return false;
    if (in_.number<uint64_t>() > in_.left()) bad("a frame is longer than the pickle");
    return true;
  }

  ByteReader in_;
  const std::string& where_;
  std::span<const std::string_view> allowed_;
  Graph graph_;
  uint8_t op_ = 0;
  std::vector<Ref> stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint32_t, Ref> memo_;
  size_t items_ = 0;
};

}  // namespace

const char* name(Kind kind) noexcept {
  constexpr const char* kNames[] = {"None", "truth value", "integer", "long integer", "number", "text",    "byte string",
                                    "list", "tuple",       "dict",    "set",          "global", "storage", "object"};
  return kNames[static_cast<size_t>(kind)];
}

Graph parse(std::span<const uint8_t> bytes, const std::string& where, std::span<const std::string_view> allowed) {
  return Machine(bytes, where, allowed).run();
}

}  // namespace eosin::pickle
