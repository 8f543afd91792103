#include "core/tensor/gather.h"

#include "core/base/error.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

namespace eosin {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// The communicator that the backward pass needs, as autograd keeps it.
struct CommHolder : torch::CustomClassHolder {
  explicit CommHolder(std::shared_ptr<Comm> c) : comm(std::move(c)) {}
  std::shared_ptr<Comm> comm;
};

struct GatherRows : torch::autograd::Function<GatherRows> {
  static Tensor forward(AutogradContext* ctx, const Tensor& rows, const std::shared_ptr<Comm>& comm) {
    ctx->saved_data["comm"] = c10::IValue::make_capsule(c10::make_intrusive<CommHolder>(comm));
    return comm->all_gather(rows.contiguous());
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    Comm& comm = *c10::static_intrusive_pointer_cast<CommHolder>(ctx->saved_data["comm"].toCapsule())->comm;
    Tensor all = grads[0].contiguous().clone();
    comm.all_reduce_sum(all);
    const int64_t rows = all.size(0) / comm.size();
    return {all.narrow(0, comm.rank() * rows, rows), Tensor()};
  }
};

}  // namespace

Tensor gather_rows(const Tensor& rows_ND, const std::shared_ptr<Comm>& comm) {
  EOSIN_ASSERT(comm != nullptr);
  return comm->size() == 1 ? rows_ND : GatherRows::apply(rows_ND, comm);
}

}  // namespace eosin
