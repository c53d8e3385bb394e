"""What hearing a recording takes: seconds and peak memory of `listen`, beside its length and the template's memory.

    python -m bench.listening

The recordings are real speech, over and over, as a browser records it: Opus in WebM, made by ffmpeg. Each is heard in a
process of its own, with the recording in memory as the prepare function has it.
"""

import io
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from local.stack import PROJECT
from local_aws.template import Template

MEGABYTE = 1024 * 1024
FUNCTION = "RecordingStagesPrepareFunction"
SPEECH = PROJECT / "tests" / "support" / "speech" / "austen.flac"
LENGTHS = (60, 300, 3590)  # of an hour by its clock, some containers hold a little more


class Heard(NamedTuple):
    """Of one recording: seconds of a processor, peak memory and the FLAC's size in bytes."""

    seconds: float
    peak: int
    prepared: int


def record(seconds: int, folder: Path) -> Path:
    """Make a recording of this length, of 48 kbit/s."""
    target = folder / f"{seconds}.webm"
    encoded = ["-t", str(seconds), "-c:a", "libopus", "-b:a", "48k", "-compression_level", "0", str(target)]
    command = ["ffmpeg", "-v", "error", "-stream_loop", "-1", "-i", str(SPEECH), *encoded]
    subprocess.run(command, check=True)
    return target


def hear(recording: Path) -> Heard:
    """Hear a recording in a fresh process."""
    command = [sys.executable, "-m", "bench.listening", str(recording)]
    answer = subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, text=True)
    return Heard(*json.loads(answer.stdout))


def work(recording: Path) -> Heard:
    """Do what the prepare function does between its reads and writes."""
    from bench.one_photograph import peak_bytes
    from inlet.speaking_sessions.speech import listening

    content = recording.read_bytes()
    started = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "audio.flac"
        listening.listen(io.BytesIO(content), prepared)
        size = len(prepared.read_bytes())
    return Heard(time.process_time() - started, peak_bytes(), size)


def main() -> None:
    """Print one line a length; or, given a recording, what hearing it took."""
    if sys.argv[1:]:
        print(json.dumps(work(Path(sys.argv[1]))))
        return
    memory = Template(PROJECT / "template.yaml").functions[FUNCTION].memory * MEGABYTE
    print(f"{'listen':<12}{'seconds':>9}{'/ its length':>14}{'MiB':>7}{'/ its memory':>14}{'FLAC, MB':>10}")
    with tempfile.TemporaryDirectory() as folder:
        for seconds in LENGTHS:
            heard = hear(record(seconds, Path(folder)))
            print(
                f"{f'{seconds} s':<12}{heard.seconds:>9.1f}{heard.seconds / seconds:>14.4f}"
                f"{heard.peak / MEGABYTE:>7.0f}{heard.peak / memory:>14.2f}{heard.prepared / 1e6:>10.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
