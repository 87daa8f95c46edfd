/* As much of NVIDIA's driver as TensorFlow asks before it lists a GPU: libcuda.so.1, and by -DMANAGEMENT libnvidia-ml.so.1. */
#ifdef MANAGEMENT
int nvmlInit_v2(void) { return 0; }
#else
#include <stdlib.h>
#include <string.h>

int cuInit(unsigned flags) { return 0; }

int cuDriverGetVersion(int *version) {
    const char *wanted = getenv("STAND_IN_CUDA");
    *version = wanted ? atoi(wanted) : 12090;
    return 0;
}

int cuDeviceGetCount(int *count) { return *count = 1, 0; }
int cuDeviceGet(int *device, int number) { return *device = number, 0; }
int cuDeviceGetAttribute(int *value, int attribute, int device) { return *value = attribute == 75 ? 8 : 64, 0; } /* 75: the compute capability */
int cuDeviceGetName(char *name, int size, int device) { return strncpy(name, "Stand-in", size), 0; }
int cuDeviceTotalMem_v2(size_t *bytes, int device) { return *bytes = (size_t)16 << 30, 0; }
int cuDeviceGetPCIBusId(char *id, int size, int device) { return strncpy(id, "0000:00:04.0", size), 0; }
int cuDeviceGetUuid_v2(char *uuid, int device) { return memset(uuid, 1, 16), 0; }
int cuDevicePrimaryCtxRetain(void **context, int device) { return *context = (void *)4096, 0; }
int cuDevicePrimaryCtxGetState(int device, unsigned *flags, int *active) { return *flags = *active = 0; }
int cuDevicePrimaryCtxSetFlags_v2(int device, unsigned flags) { return 0; }
int cuCtxGetCurrent(void **context) { return *context = 0, 0; }
int cuCtxSetCurrent(void *context) { return 0; }
int cuCtxGetDevice(int *device) { return *device = 0; }
int cuMemGetInfo_v2(size_t *free, size_t *total) { return *free = *total = (size_t)16 << 30, 0; }
#endif
