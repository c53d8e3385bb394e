"""Uploads from Chromium over a phone's line: 20 or 100 Mbit/s up, 40 ms each way, in front of gateway and bucket.

python -m bench.line

Forty files of 100 KB, and one of 25 MB: our uploader and stock Uppy do the whole of an upload session (create, parts,
complete, finalize); plain PUTs go to the same bucket with presigned URLs made before, as many at a time as Chromium
sends, and prove nothing. Each begins on a page just loaded, in a profile of its own, so with no connection to the
bucket. Times are told as multiples of what the line itself takes for the bytes.

A browser asks the bucket's leave before every PUT from a page of another origin (CORS preflight). The last load goes
without, as where pages and bucket share an origin: it shows what our own round trips take.
"""

import os
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from playwright.sync_api import BrowserType, sync_playwright

from bench.browser_upload import ESBUILD, INPUT, bundled_uppy
from bench.relay import Line
from local.stack import LocalStack

MB = 1024 * 1024
ONE_WAY_SECONDS = 0.040

CONTENDERS = {
    "inlet": """async (files) => {
        const chosen = files.map((file) => ({ file, category: "instruction", mimeType: "application/pdf" }));
        const { origin: bucketOrigin } = document.querySelector("meta[name=bucket]").dataset;
        await new inlet.UploadSession(new inlet.Api({ bucketOrigin }), chosen).run();
    }""",
    "uppy": "(files) => globalThis.upload(files)",
    "plain PUTs": """(files, urls) => Promise.all(files.map(async (file, index) => {
        const answer = await fetch(urls[index], { method: "PUT", body: file });
        if (!answer.ok) throw new Error(answer.status);
    }))""",
}


@dataclass(frozen=True)
class Load:
    """Files to send over a line."""

    files: int
    size: int
    megabits: float
    rounds: int
    preflights: bool = True

    def __str__(self) -> str:
        size = f"{self.size // MB} MB" if self.size >= MB else f"{self.size // 1000} KB"
        return f"{self.files} × {size}, {self.megabits:.0f} Mbit/s" + ("" if self.preflights else ", same origin")


LOADS = (
    Load(40, 100_000, 20, rounds=5),
    Load(40, 100_000, 100, rounds=5),
    Load(1, 25 * MB, 20, rounds=3),
    Load(40, 100_000, 20, 5, False),
)


class Measuring:
    """Sends a load over a line."""

    def __init__(self, browser: BrowserType, line: Line, stack: LocalStack, uppy: str, files: list[Path]) -> None:
        self._browser = browser
        self._arguments = ["--no-sandbox", "--disable-gpu", line.chromium_argument]
        self._stack = stack
        self._uppy = uppy
        self._files = files

    def seconds(self, contender: str, *, preflights: bool) -> float:
        """Upload once, timed in a page that is there already, of an ordinary profile.

        Playwright's own ones are incognito, where Chromium opens no connection before it has something to say.
        """
        with (
            tempfile.TemporaryDirectory() as profile,
            self._browser.launch_persistent_context(
                profile, executable_path=shutil.which("chromium"), args=self._arguments, base_url=self._stack.url
            ) as context,
        ):
            (page,) = context.pages
            page.set_default_timeout(600_000)
            if not preflights:
                page.route("**/nothing", lambda route: route.abort())  # a page with routes sends no preflight
            page.goto("/files")
            page.evaluate(self._uppy)
            page.evaluate(INPUT)
            page.set_input_files("#measured", self._files)
            page.evaluate("async () => { globalThis.inlet = await import('/web/client/index.js'); }")
            timed: float = page.evaluate(
                f"""async (urls) => {{
                    const files = [...document.querySelector("#measured").files];
                    const begun = performance.now();
                    await ({CONTENDERS[contender]})(files, urls);
                    return (performance.now() - begun) / 1000;
                }}""",
                [self._presigned() for _ in self._files],
            )
            return timed

    def _presigned(self) -> str:
        key = {"Bucket": self._stack.bucket, "Key": f"bench/{time.monotonic_ns()}", "ContentType": "application/pdf"}
        return self._stack.storage.generate_presigned_url("put_object", Params=key)


def report(load: Load, line_seconds: float, times: dict[str, list[float]]) -> list[str]:
    """Return a table: each contender's median and best as multiples of the line's time, and what share ours is."""
    ours = times["inlet"]
    rows = [f"{load!s:<28}{'median s':>10}{'× the line':>12}{'best':>7}{'inlet takes, of the median':>29}"]
    for contender, measured in times.items():
        of_line, best = median(measured) / line_seconds, min(measured) / line_seconds
        share = f"{median(ours) / median(measured):.2f} ×"
        rows.append(f"{contender:<28}{median(measured):>10.2f}{of_line:>12.2f}{best:>7.2f}{share:>29}")
    return rows


def measure(stack: LocalStack, uppy: str, folder: Path, load: Load) -> list[str]:
    """Measure all contenders in turns, after a round that is not counted."""
    files = [folder / f"{number}.pdf" for number in range(load.files)]
    for file in files:
        file.write_bytes(b"%PDF-1.7\n" + os.urandom(load.size - 9))
    targets = [stack.url, stack.environment["S3_ENDPOINT_URL"]]
    times: dict[str, list[float]] = {contender: [] for contender in CONTENDERS}
    with (
        Line(targets, megabits=load.megabits, one_way_seconds=ONE_WAY_SECONDS) as line,
        sync_playwright() as playwright,
    ):
        measuring = Measuring(playwright.chromium, line, stack, uppy, files)
        for number in range(load.rounds + 1):
            for contender, measured in times.items():
                spent = measuring.seconds(contender, preflights=load.preflights)
                if number > 0:
                    measured.append(spent)
        return report(load, line.seconds_for(load.files * load.size), times)


def main() -> int:
    """Print the tables; the exit status."""
    if shutil.which("chromium") is None or not ESBUILD.exists():
        print("Needs Chromium, and the packages of package.json (make lint brings them).", file=sys.stderr)
        return 1
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
        settings = {"PORT": "0", "UPLOAD_SESSIONS_PER_DAY": "100000", "SCHEDULE_SECONDS": "0"}
        stack = running.enter_context(LocalStack(folder / "stack", settings))
        for load in LOADS:
            print("\n".join(measure(stack, bundled_uppy(), folder, load)), end="\n\n", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
