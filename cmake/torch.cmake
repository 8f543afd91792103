# Imported target eosin::torch, made from the PyTorch wheel. find_package(Torch) of that wheel insists on a CUDA toolkit and
# looks for a GPU; this needs neither (docs/architecture.md, "Build facts").
file(GLOB _torch_candidates ${EOSIN_CACHE_DIR}/libtorch/lib/python3*/site-packages/torch)
find_path(EOSIN_TORCH NAMES lib/libtorch_cpu.so PATHS ${_torch_candidates} NO_DEFAULT_PATH
          DOC "Folder 'torch' of an installed torch wheel (holds include/ and lib/)")
if(NOT EOSIN_TORCH)
  message(FATAL_ERROR "LibTorch not found below ${EOSIN_CACHE_DIR}/libtorch: run scripts/setup, or pass -DEOSIN_TORCH=<site-packages>/torch")
endif()
file(STRINGS ${EOSIN_TORCH}/version.py _torch_version REGEX "^__version__")
string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+[^']*" EOSIN_TORCH_VERSION "${_torch_version}")

add_library(eosin_torch INTERFACE)
add_library(eosin::torch ALIAS eosin_torch)
target_include_directories(eosin_torch SYSTEM INTERFACE ${EOSIN_TORCH}/include ${EOSIN_TORCH}/include/torch/csrc/api/include)
target_compile_definitions(eosin_torch INTERFACE USE_DISTRIBUTED USE_C10D_GLOO)
target_link_libraries(eosin_torch INTERFACE ${EOSIN_TORCH}/lib/libtorch_cpu.so ${EOSIN_TORCH}/lib/libc10.so)
target_link_options(eosin_torch INTERFACE -Wl,-rpath,${EOSIN_TORCH}/lib -Wl,-rpath-link,${EOSIN_TORCH}/lib -Wl,--allow-shlib-undefined)
