// One pass of a masked autoencoder in float64, for comparison with another implementation:
//   mae_pass IN.safetensors OUT.safetensors
// IN: images [B, 3, H, W], noise [B, N]. OUT: weight.* and grad.* by our names, loss, pred, mask.
#include "core/base/error.h"
#include "core/nn/weights.h"
#include "core/tensor/safetensors.h"
#include "ssl/mae.h"
#include "ssl/mae_loss.h"

#include <ATen/ATen.h>
#include <cstdio>

namespace {

using namespace eosin;

void run(const std::string& from, const std::string& to) {
  const TensorMap in = read_safetensors(from).tensors;
  const Tensor images = in.at("images").to(at::kDouble);
  nn::VitConfig vit;
  vit.img_size = {images.size(2), images.size(3)};
  vit.embed_dim = 192, vit.num_heads = 3, vit.mlp_hidden = 768, vit.depth = 3;
  ssl::MaeDecoderShape decoder{vit.embed_dim, 128, 2, 4, 512, vit.patch_size, vit.in_chans, vit.grid()};
  ssl::MaeNet net(vit, decoder);
  net->init_weights(1);
  net->to(at::kDouble);

  const ssl::VisiblePatches chosen = ssl::choose_visible(in.at("noise"), 0.75);
  const Tensor pred = net->decode(net->encode(images, chosen.visible_BK), chosen.restore_BN);
  const Tensor loss = ssl::mae_loss(pred, ssl::patchify(images, vit.patch_size), chosen.mask_BN, true);
  loss.backward();
  TensorMap out{{"loss", loss.detach()}, {"pred", pred.detach().contiguous()}, {"mask", chosen.mask_BN}};
  for (const auto& item : net->named_parameters()) {
    out["weight." + item.key()] = item.value().detach();
    if (item.value().grad().defined()) out["grad." + item.key()] = item.value().grad();
  }
  write_safetensors(to, out);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  try {
    run(argv[1], argv[2]);
  } catch (const eosin::Error& e) {
    std::fprintf(stderr, "error: %s\n", e.what());
    return static_cast<int>(e.kind());
  }
  return 0;
}
