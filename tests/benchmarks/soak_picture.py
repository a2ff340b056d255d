"""The picture of a long run: memory over time, and how long acknowledgements took."""

from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

if TYPE_CHECKING:
    from tests.benchmarks.soak import Soak

_COLORS = {"mongod": "#9a9a9a", "Fr-HUB": "#1b6ca8", "Fr-BRAIN": "#d98032", "Fr-PACS": "#4b8b3b"}
_BINS = 400


def draw(soak: "Soak", path: Path) -> Path:
    """Draw it and return the path."""
    figure, (above, below) = plt.subplots(2, 1, figsize=(9, 6.5), sharex=True, layout="constrained")
    minutes = [at / 60 for at in soak.at]
    for unit, values in soak.memory_mib.items():
        above.plot(minutes, values, color=_COLORS[unit], lw=1.2, label=unit)
    above.set_yscale("log")
    above.yaxis.set_major_formatter(mpl.ticker.FormatStrFormatter("%g"))
    above.yaxis.set_minor_formatter(mpl.ticker.NullFormatter())
    above.set_ylabel("resident memory, MiB")
    above.legend(ncols=4, frameon=False, loc="upper center", bbox_to_anchor=(0.5, 1.16))
    above.grid(alpha=0.3, which="both")

    width = soak.at[-1] / _BINS
    longest: dict[int, float] = {}
    for at, took in soak.acknowledged:
        longest[int(at / width)] = max(longest.get(int(at / width), 0.0), 1000 * took)
    for at, running in zip(minutes, soak.checkpoint, strict=True):
        if running:
            below.axvspan(at - 1 / 60, at, color="#e8d9b8", lw=0)
    middles = [(n + 0.5) * width / 60 for n in sorted(longest)]
    below.plot(middles, [longest[n] for n in sorted(longest)], color="#1b6ca8", lw=0.8)
    below.set_yscale("log")
    below.yaxis.set_major_formatter(mpl.ticker.FormatStrFormatter("%g"))
    below.set_ylabel(f"longest acknowledgement in {width:.0f} s, ms")
    below.set_xlabel("minutes; yellow: MongoDB writes a checkpoint")
    below.grid(alpha=0.3)
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path
