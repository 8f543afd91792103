#include "core/tensor/torch_objects.h"

#include <algorithm>

namespace eosin::torch_file {
namespace {

using pickle::Kind;
using pickle::Ref;
using pickle::Value;

constexpr size_t kMaxRank = 64;

constexpr Global kGlobals[] = {
    {"collections.OrderedDict", Role::kMapping},
    {"collections.Counter", Role::kMapping},
    {"torch._utils._rebuild_tensor_v2", Role::kTensor},
    {"torch._utils._rebuild_tensor", Role::kTensor},
    {"torch._utils._rebuild_parameter", Role::kParameter},
    {"torch.nn.parameter.Parameter", Role::kParameter},
    {"torch.Size", Role::kSequence},
    {"torch.DoubleStorage", Role::kStorage, at::kDouble},
    {"torch.FloatStorage", Role::kStorage, at::kFloat},
    {"torch.HalfStorage", Role::kStorage, at::kHalf},
    {"torch.BFloat16Storage", Role::kStorage, at::kBFloat16},
    {"torch.LongStorage", Role::kStorage, at::kLong},
    {"torch.IntStorage", Role::kStorage, at::kInt},
    {"torch.ShortStorage", Role::kStorage, at::kShort},
    {"torch.CharStorage", Role::kStorage, at::kChar},
    {"torch.ByteStorage", Role::kStorage, at::kByte},
    {"torch.BoolStorage", Role::kStorage, at::kBool},
    {"torch.ComplexFloatStorage", Role::kStorage, at::kComplexFloat},
    {"torch.ComplexDoubleStorage", Role::kStorage, at::kComplexDouble},
    {"torch.storage.UntypedStorage", Role::kStorage, at::kByte},
    {"torch.storage.TypedStorage"},
    {"torch.float64"},
    {"torch.double"},
    {"torch.float32"},
    {"torch.float"},
    {"torch.float16"},
    {"torch.half"},
    {"torch.bfloat16"},
    {"torch.int64"},
    {"torch.long"},
    {"torch.int32"},
    {"torch.int"},
    {"torch.int16"},
    {"torch.short"},
    {"torch.int8"},
    {"torch.uint8"},
    {"torch.uint16"},
    {"torch.uint32"},
    {"torch.uint64"},
    {"torch.bool"},
    {"torch.complex32"},
    {"torch.complex64"},
    {"torch.cfloat"},
    {"torch.complex128"},
    {"torch.cdouble"},
    {"torch.float8_e4m3fn"},
    {"torch.float8_e4m3fnuz"},
    {"torch.float8_e5m2"},
    {"torch.float8_e5m2fnuz"},
    {"torch.qint8"},
    {"torch.quint8"},
    {"torch.qint32"},
    {"torch.device"},
    {"torch.serialization._get_layout"},
    {"builtins.set"},
    {"builtins.bytearray"},
    {"builtins.complex"},
    {"__builtin__.set"},
    {"__builtin__.bytearray"},
    {"__builtin__.complex"},
    {"_codecs.encode"},
    {"numpy.core.multiarray.scalar"},
    {"numpy._core.multiarray.scalar"},
    {"numpy.core.multiarray._reconstruct"},
    {"numpy._core.multiarray._reconstruct"},
    {"numpy.ndarray"},
    {"numpy.dtype"},
    {"argparse.Namespace"},
};

}  // namespace

std::span<const std::string_view> global_names() {
  static const std::vector<std::string_view> names = [] {
    std::vector<std::string_view> list;
    for (const Global& g : kGlobals) list.push_back(g.name);
    return list;
  }();
  return names;
}

const Global& Objects::callee(const Value& call) const { return kGlobals[graph_[call.items[0]].integer]; }

Storage Objects::storage(Ref ref) const {
  const Value& persistent = graph_[ref];
  if (persistent.kind != Kind::kPersistent) bad("a tensor's storage is a {}", pickle::name(persistent.kind));
  const Value& id = graph_[persistent.items[0]];
  if (id.kind != Kind::kTuple || id.items.size() < 5 || id.items.size() > 6) bad("wrong persistent id");
  const auto at = [&](size_t i) -> const Value& { return graph_[id.items[i]]; };
  if (at(0).text != "storage" || at(2).kind != Kind::kText || at(3).kind != Kind::kText) bad("wrong persistent id");
  if (at(1).kind != Kind::kGlobal || kGlobals[at(1).integer].role != Role::kStorage) bad("a storage of no known type");
  if (id.items.size() == 6 && at(5).kind != Kind::kNone) bad("a storage that is part of another");
  return {kGlobals[at(1).integer].type, at(2).text, static_cast<uint64_t>(count(id.items[4], "number of elements"))};
}

TensorSpec Objects::tensor(const Value& call) const {
  const std::vector<Ref>& args = arguments(call);
  if (args.size() < 4 || args.size() > 7 || call.items.size() > 2 || call.built) bad("a tensor of {} arguments", args.size());
  if (args.size() == 7 && !graph_[args[6]].items.empty()) bad("a tensor with metadata (a conjugated or negated view); save it with resolve_conj()");
  TensorSpec spec{storage(args[0]), count(args[1], "offset"), counts(args[2], "sizes"), counts(args[3], "strides")};
  check(spec);
  return spec;
}

int64_t Objects::count(Ref ref, const char* what) const {
  const Value& value = graph_[ref];
  if (value.kind != Kind::kInteger || value.integer < 0) bad("{} of a tensor or storage is no count", what);
  return value.integer;
}

std::vector<int64_t> Objects::counts(Ref ref, const char* what) const {
  const Value* list = &graph_[ref];
  if (list->kind == Kind::kCall && callee(*list).role == Role::kSequence && arguments(*list).size() == 1) list = &graph_[arguments(*list)[0]];
  if ((list->kind != Kind::kTuple && list->kind != Kind::kList) || list->items.size() > kMaxRank) bad("{} of a tensor are no short tuple", what);
  std::vector<int64_t> values;
  for (const Ref item : list->items) values.push_back(count(item, what));
  return values;
}

/// The last element must lie inside the storage.
void Objects::check(const TensorSpec& t) const {
  if (t.sizes.size() != t.strides.size()) bad("a tensor has {} sizes and {} strides", t.sizes.size(), t.strides.size());
  int64_t elements = c10::elementSize(t.storage.type), last = t.offset;
  for (const int64_t size : t.sizes)
    if (__builtin_mul_overflow(elements, std::max<int64_t>(size, 1), &elements)) bad("the shape [{}] overflows", fmt::join(t.sizes, ", "));
  if (std::count(t.sizes.begin(), t.sizes.end(), 0) > 0) return;
  for (size_t i = 0; i < t.sizes.size(); ++i) {
    int64_t span = 0;
    if (__builtin_mul_overflow(t.sizes[i] - 1, t.strides[i], &span) || __builtin_add_overflow(last, span, &last))
      bad("the strides of a tensor overflow");
  }
  if (static_cast<uint64_t>(last) >= t.storage.numel)
    bad("a tensor of shape [{}] ends at element {} of a storage of {}", fmt::join(t.sizes, ", "), last, t.storage.numel);
}

}  // namespace eosin::torch_file
