// usage: torch_tensors IN.pt OUT.safetensors: every tensor of a file of torch.save, by its path.
#include "core/tensor/safetensors.h"
#include "core/tensor/torch_archive.h"

#include <cstdio>
#include <exception>

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  try {
    eosin::write_safetensors(argv[2], eosin::read_torch_archive(argv[1]));
  } catch (const std::exception& e) {
    std::fprintf(stderr, "error: %s\n", e.what());
    return 1;
  }
  return 0;
}
