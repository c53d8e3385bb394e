"""Processing a 12-megapixel photograph, beside the plainest Pillow script that does the same.

    python -m bench.imaging [--runs N] [--formats jpg png webp heic] [--jobs ends whole]

`ends`: validate and watermark. `whole`: validate, make the model's input, check the model's answer, watermark. Each run
is a fresh process, the two take turns, medians are compared. Inlet's stages are functions of their own, and read what
the one before has stored.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
# The most of the plain script's time and peak memory, by job and format.
TARGETS = {
    "ends": {"jpg": (0.8, 0.5), "png": (1.05, 1.0), "webp": (1.05, 1.0), "heic": (1.05, 1.0)},
    "whole": dict.fromkeys(("jpg", "png", "webp", "heic"), (1.0, 1.0)),
}
FORMATS = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP", "heic": "HEIF"}
WORDS = {"ends": "validate + watermark", "whole": "validate + prepare + store + watermark"}
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{ROOT / 'shared'}:{ROOT}"}

# In its own process, so that the parent stays small.
MAKE = """
import sys
from PIL import Image
from tests.support import photographs
options = {"PNG": {"compress_level": 3}, "WEBP": {"method": 2}}.get(sys.argv[2], {})
content = photographs.photograph(photographs.noise(4000, 3000), sys.argv[2], orientation=6, quality=90, **options)
open(sys.argv[1], "wb").write(content)
"""


@dataclass(frozen=True)
class Measurement:
    """Medians for one format; seconds and bytes of (plain script, Inlet)."""

    extension: str
    file_bytes: int
    seconds: tuple[float, float]
    peaks: tuple[float, float]

    @property
    def time_ratio(self) -> float:
        return self.seconds[1] / self.seconds[0]

    @property
    def memory_ratio(self) -> float:
        return self.peaks[1] / self.peaks[0]


def measure(extension: str, job: str, runs: int) -> Measurement:
    """Measure one format; takes about a second a run, and for HEIC three."""
    with tempfile.TemporaryDirectory() as directory:
        photograph = Path(directory) / f"photograph.{extension}"
        make = [sys.executable, "-c", MAKE, str(photograph), FORMATS[extension]]
        subprocess.run(make, env=ENVIRONMENT, cwd=ROOT, check=True)
        seconds: dict[str, list[float]] = {"plain": [], "inlet": []}
        peaks: dict[str, list[float]] = {"plain": [], "inlet": []}
        for _ in range(runs):
            for who in ("plain", "inlet"):
                command = [sys.executable, str(ROOT / "bench" / "one_photograph.py"), who, str(photograph), job]
                answer = subprocess.run(command, env=ENVIRONMENT, cwd=ROOT, check=True, capture_output=True, text=True)
                took, peak = answer.stdout.split()
                seconds[who].append(float(took))
                peaks[who].append(int(peak))
        return Measurement(
            extension,
            photograph.stat().st_size,
            (median(seconds["plain"]), median(seconds["inlet"])),
            (median(peaks["plain"]), median(peaks["inlet"])),
        )


def main() -> None:
    """Print one line a format, and whether the promise holds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=list(FORMATS))
    parser.add_argument("--jobs", nargs="+", choices=TARGETS, default=list(TARGETS))
    arguments = parser.parse_args()
    for job in arguments.jobs:
        print(f"12 megapixels, {WORDS[job]}; medians of {arguments.runs} runs: plain script → Inlet")
        for extension in arguments.formats:
            found = measure(extension, job, arguments.runs)
            time, memory = TARGETS[job][extension]
            met = found.time_ratio <= time and found.memory_ratio <= memory
            print(
                f"{FORMATS[extension]:5}{found.file_bytes / 1e6:5.1f} MB"
                f"   {found.seconds[0]:.2f} → {found.seconds[1]:.2f} s = {found.time_ratio:.2f}"
                f"   {found.peaks[0] / 2**20:.0f} → {found.peaks[1] / 2**20:.0f} MiB = {found.memory_ratio:.2f}"
                f"   promised: {time}, {memory}: {'met' if met else 'MISSED'}",
                flush=True,
            )


if __name__ == "__main__":
    main()
