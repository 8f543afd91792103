// Features of given images from an encoder on disk, for comparison with other implementations:
//   encoder_features ENCODER IN.safetensors OUT.safetensors     (tensor "images" [B, C, H, W] -> "features" [B, D])
#include "core/base/error.h"
#include "core/nn/encoder.h"
#include "core/tensor/safetensors.h"

#include <cstdio>

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  try {
    eosin::nn::Encoder encoder = eosin::nn::load_encoder(argv[1]);
    const eosin::TensorMap in = eosin::read_safetensors(argv[2]).tensors;
    eosin::write_safetensors(argv[3], {{"features", encoder.embed(in.at("images"))}});
  } catch (const eosin::Error& e) {
    std::fprintf(stderr, "error: %s\n", e.what());
    return static_cast<int>(e.kind());
  }
  return 0;
}
