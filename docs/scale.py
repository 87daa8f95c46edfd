"""Writes the tables of docs/scale.md from a cost model, so that no figure there is typed by hand.

`python docs/scale.py` writes them into the page, and a test compares.

A step takes as long as its parts, and then the step itself:

    seconds = waves × (start + load) + work / (nodes at work × rate) + reduce
"""

import dataclasses
import math
import re
from pathlib import Path

SIZES = (100_000, 1_000_000, 10_000_000)
START = 15.0
"""Seconds before a part's own process starts, for its three pods. Measured on Kubeflow Pipelines 2.17: 10 to 15."""
LOAD = 16.0
"""Seconds in which a part on a GPU imports TensorFlow and builds the network. Measured on one H100 with 16 cores."""
MOST_PARTS = 12
"""Of a loop on Kubeflow."""
TRAIN, EVALUATE = 0.8, 0.2
"""Shares of the images that are trained and evaluated on."""

# Measured on two cores: images a second that ingest reads, decodes, checks and writes, by core.
INGEST_A_CORE = 677
# Measured on two cores: images a second that pass through the network cut at mixed7, at 150 px, decoded before, by core.
PASS_A_CORE = 104
# Computed from 3,000 images in 5.5 s on two cores: images a second that a core reads, decodes and prepares for a GPU.
DECODE_A_CORE = 273
# Measured on one H100, float32: images a second through the same network.
H100 = 12_800
# Measured on two cores: what ingest does at the end with 100,000 and with 1,000,000 images, in seconds.
INGEST_END = {100_000: 4.0, 1_000_000: 41.9}
# Of that the search for twins; it has a part that grows with the images, and one that grows with their square.
TWINS = {100_000: 0.28, 1_000_000: 3.24}
# Measured on one core with 200,000 synthetic rows: seconds an image that ingest takes to read and find what a part kept of it.
FIND = 32.5e-6


@dataclasses.dataclass(frozen=True)
class Pool:
    """A node pool.

    Attributes:
        name: Its name.
        cores: CPU cores of a node.
        float32: Peak in TFLOPS of its GPU, as its maker says; 0 for none.
        bandwidth: Of the GPU's memory, in GB/s, as its maker says.
    """

    name: str
    cores: int
    float32: float = 0.0
    bandwidth: float = 0.0

    @property
    def rate(self) -> float:
        """Images a second that a node computes features or predictions of.

        What a GPU computes is taken from the H100's measured rate by the smaller of the two ratios of peaks. The cores that decode for it
        may be what limits it.
        """
        if not self.float32:
            return self.cores * PASS_A_CORE
        computes = H100 * min(self.float32 / H100_POOL.float32, self.bandwidth / H100_POOL.bandwidth)
        return min(computes, self.cores * DECODE_A_CORE)


H100_POOL = Pool("H100", 16, 67.0, 3350)
POOLS = (Pool("CPU", 8), Pool("T4", 8, 8.1, 320), Pool("L4", 8, 30.3, 300), Pool("A100", 12, 19.5, 1555), H100_POOL)


def seconds(work: float, rate: float, parts: int, nodes: int, load: float = 0.0) -> float:
    """Returns how long a step's parts take.

    Args:
        work: Images.
        rate: Images a second of a node.
        parts: How many parts there are; 1 for none but the step itself, which has no start of its own to pay for.
        nodes: How many of them run at once.
        load: Seconds in which a part loads what it computes by.
    """
    if parts == 1:
        return work / rate
    waves = math.ceil(parts / nodes)
    return waves * (START + load + work / parts / rate)


def ingest_end(images: int) -> float:
    """Returns the seconds of the splits, the search for twins, the index and the digest: measured up to a million, else computed."""
    if images in INGEST_END:
        return INGEST_END[images]
    (few, fast), (many, slow) = TWINS.items()
    square = (slow - fast * many / few) / (many**2 - many * few)
    linear = fast / few - square * few
    rest = (INGEST_END[many] - slow) * images / many
    return linear * images + square * images**2 + rest


def ingest_table() -> str:
    """Returns the table of ingest on nodes of eight cores."""
    rate = POOLS[0].cores * INGEST_A_CORE
    rows = [
        "| images | alone | 4 parts | 12 parts | of it the step itself | node hours of 12 parts |",
        "| --- " * 6 + "|",
    ]
    for images in SIZES:
        alone = ingest_end(images)
        end = alone + images * FIND
        times = [seconds(images, rate, 1, 1) + alone]
        times += [seconds(images, rate, parts, parts) + end for parts in (4, MOST_PARTS)]
        hours = (MOST_PARTS * (times[-1] - end) + end) / 3600
        rows.append(f"| {images:,} | {' | '.join(map(duration, [*times, end]))} | {hours:.2f} |")
    return "\n".join(rows)


def pass_table(share: float) -> str:
    """Returns the table of the pass over a share of the images, by pool.

    Args:
        share: The share.
    """
    rows = [
        "| images | pool | a node | alone | 4 parts | 12 parts | node hours alone | of 12 parts |",
        "| --- " * 8 + "|",
    ]
    for images in SIZES:
        for pool in POOLS:
            work = images * share
            times = [seconds(work, pool.rate, parts, parts, LOAD) for parts in (1, 4, MOST_PARTS)]
            hours = [times[0] / 3600, MOST_PARTS * times[-1] / 3600]
            cells = [
                f"{work:,.0f}",
                pool.name,
                f"{pool.rate:,.0f}/s",
                *map(duration, times),
                *(f"{one:.2f}" for one in hours),
            ]
            rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def duration(time: float) -> str:
    """Returns seconds as people read them."""
    if time < 90:
        return f"{time:.0f} s"
    return f"{time / 60:.0f} min" if time < 90 * 60 else f"{time / 3600:.1f} h"


def tables() -> dict[str, str]:
    """Returns the page's tables by name."""
    return {"ingest": ingest_table(), "train": pass_table(TRAIN), "evaluate": pass_table(EVALUATE)}


def page(text: str) -> str:
    """Returns the page's text with the tables as they come of the model."""
    for name, table in tables().items():
        text = re.sub(rf"(?s)(<!-- {name} -->\n).*?(<!-- end -->)", rf"\g<1>{table}\n\g<2>", text)
    return text


if __name__ == "__main__":
    file = Path(__file__).with_name("scale.md")
    file.write_text(page(file.read_text(encoding="utf-8")), encoding="utf-8")
