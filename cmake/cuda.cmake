# The CUDA part: libeosin_cuda.so of core/kernels/*.cu, in <build>/lib. The binary itself links the CPU libraries only; it loads this
# one when a device is asked for (core/tensor/device.cpp). Off, not broken, where there is no nvcc.
if(NOT EOSIN_CUDA STREQUAL "OFF")
  find_program(EOSIN_NVCC nvcc PATHS /usr/local/cuda/bin $ENV{CUDA_HOME}/bin DOC "CUDA compiler")
  if(EOSIN_CUDA STREQUAL "ON" AND NOT EOSIN_NVCC)
    message(FATAL_ERROR "EOSIN_CUDA=ON, but nvcc was not found: put it on PATH or set -DEOSIN_NVCC=<path>")
  endif()
  if(EOSIN_NVCC AND NOT EXISTS ${EOSIN_TORCH}/lib/libtorch_cuda.so)
    message(STATUS "CUDA part: off, this torch wheel is for the CPU only")
  elseif(EOSIN_NVCC)
    set(EOSIN_BUILD_CUDA ON)
  endif()
endif()

if(EOSIN_BUILD_CUDA)
  set(CMAKE_CUDA_COMPILER ${EOSIN_NVCC})
  set(CMAKE_CUDA_STANDARD 17)  # CMake 3.25 does not know C++20 for nvcc 13; the host's code is C++20
  set(CMAKE_CUDA_RUNTIME_LIBRARY Shared)
  set(CMAKE_CUDA_ARCHITECTURES 80 90 CACHE STRING "GPUs to compile for")
  enable_language(CUDA)
  message(STATUS "CUDA part: ${CMAKE_CUDA_COMPILER} ${CMAKE_CUDA_COMPILER_VERSION} for ${CMAKE_CUDA_ARCHITECTURES}")

  file(GLOB cuda_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/core/kernels/*.cu)
  add_library(eosin_cuda SHARED ${cuda_sources})
  # -fmad=false: the CPU versions are the specification, to the bit. The host's global flags are not nvcc's.
  set_target_properties(eosin_cuda PROPERTIES COMPILE_OPTIONS "-fmad=false;-Xcompiler=-fPIC" LINKER_LANGUAGE CUDA
                        LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib LINK_OPTIONS "" INSTALL_RPATH "" BUILD_RPATH
                        "${EOSIN_TORCH}/lib;${EOSIN_TORCH}/../nvidia/cu13/lib")
  target_include_directories(eosin_cuda PRIVATE ${CMAKE_SOURCE_DIR})
  target_include_directories(eosin_cuda SYSTEM PRIVATE ${EOSIN_TORCH}/include)
  # torch_cuda registers its operators when it is loaded; nothing of ours calls it by name.
  target_link_options(eosin_cuda PRIVATE LINKER:--no-as-needed LINKER:--allow-shlib-undefined)
  foreach(lib torch_cuda c10_cuda torch_cpu c10)
    target_link_libraries(eosin_cuda PRIVATE ${EOSIN_TORCH}/lib/lib${lib}.so)
  endforeach()
endif()
