#pragma once
// Marks functions that are compiled for the host and, by nvcc, for the device as well.
#ifdef __CUDACC__
#define EOSIN_HOST_DEVICE __host__ __device__
#else
#define EOSIN_HOST_DEVICE
#endif
