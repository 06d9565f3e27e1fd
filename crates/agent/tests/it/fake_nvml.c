/* Stands in for NVIDIA's management library: two GPUs, of which the second does not answer. */
#include <string.h>

typedef struct { unsigned version; unsigned long long total, reserved, free, used; } memory;

static int gpu;

int nvmlInit_v2(void) { return 0; }
int nvmlInitWithFlags(unsigned flags) { (void)flags; return 0; }
int nvmlShutdown(void) { return 0; }
const char *nvmlErrorString(int code) { (void)code; return "unknown"; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 2; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device)
{
    *device = &gpu;
    return index == 0 ? 0 : 15; /* GPU is lost */
}
int nvmlDeviceGetHandleByUUID(const char *uuid, void **device)
{
    *device = &gpu;
    return strcmp(uuid, "GPU-fake-0") ? 6 : 0; /* not found */
}
int nvmlDeviceGetName(void *device, char *name, unsigned length)
{
    (void)device;
    strncpy(name, "NVIDIA H100 80GB HBM3", length);
    return 0;
}
int nvmlDeviceGetUUID(void *device, char *uuid, unsigned length)
{
    (void)device;
    strncpy(uuid, "GPU-fake-0", length);
    return 0;
}
int nvmlDeviceGetMinorNumber(void *device, unsigned *minor) { (void)device; *minor = 250; return 0; }
int nvmlDeviceGetUtilizationRates(void *device, unsigned *rates)
{
    (void)device;
    rates[0] = 37; /* of the GPU */
    rates[1] = 0; /* of its memory */
    return 0;
}
int nvmlDeviceGetMemoryInfo_v2(void *device, memory *found)
{
    (void)device;
    found->total = 81559ull << 20;
    found->free = found->total;
    found->used = 0;
    return 0;
}
