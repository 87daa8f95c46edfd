"""The machines that Vertex has for a GPU: cores and memory are chosen by the profile, and have to fit one of them."""

from collections.abc import Iterator

from graft.pipelines.cluster.profile.fields import GpuStep, Profile, StepSettings

# Cores and GB of the largest machine by type and number of GPUs; types that are not listed are Vertex's to judge.
# https://cloud.google.com/compute/docs/gpus
_LARGEST = {
    "NVIDIA_TESLA_T4": {1: (48, 312), 2: (48, 312), 4: (96, 624)},
    "NVIDIA_L4": {1: (32, 128), 2: (24, 96), 4: (48, 192), 8: (96, 384)},
    "NVIDIA_TESLA_A100": {1: (12, 85), 2: (24, 170), 4: (48, 340), 8: (96, 680), 16: (96, 1360)},
    "NVIDIA_A100_80GB": {1: (12, 170), 2: (24, 340), 4: (48, 680), 8: (96, 1360)},
}


def misfits(profile: Profile, step: GpuStep) -> Iterator[tuple[str, str]]:
    """Yields the fields of a step that no machine with its GPU has, and why."""
    gpu, settings = profile.gpu_of(step), profile.steps.get(step, StepSettings())
    machines = _LARGEST.get(gpu.type) if gpu else None
    if not gpu or not machines:
        return
    if gpu.count not in machines:
        counts = ", ".join(map(str, machines))
        yield "gpu.count", f"Vertex has no machine with {gpu.count} {gpu.type}: it has {counts}"
        return
    cores, memory = machines[gpu.count]
    asked = {"cpu": (_cores(settings.cpu), cores, "cores"), "memory": (_gigabytes(settings.memory), memory, "GB")}
    for field, (wanted, most, unit) in asked.items():
        if wanted > most:
            yield (
                f"steps.{step}.{field}",
                f"the largest machine with {gpu.count} {gpu.type} has {most} {unit}: ask for less"
                + (", or for more GPUs" if step == "train" else ""),
            )


def _cores(quantity: str) -> float:
    return float(quantity[:-1]) / 1000 if quantity.endswith("m") else float(quantity or 0)


def _gigabytes(quantity: str) -> float:
    number = quantity.rstrip("KMGTPEi")
    unit = quantity[len(number) :]
    return (
        int(number) * (1024 if unit.endswith("i") else 1000) ** ("KMGTPE".index(unit[0]) + 1) / 1e9 if number else 0.0
    )
