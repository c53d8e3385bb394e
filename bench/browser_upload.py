"""A 50 MB file from Chromium to the local stack: our uploader, stock Uppy 6, and one plain PUT, taking turns.

python -m bench.browser_upload

Ours and Uppy do the whole of an upload session: create, parts, complete, finalize. The plain PUT goes to the same
bucket with a presigned URL and proves nothing: it is what the machine allows. On the loopback only overhead counts;
Chromium's own throttling slows a single stream more than its share, so it would flatter whoever sends in parallel.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from playwright.sync_api import Page, sync_playwright

from local.stack import PROJECT, LocalStack

MB = 1024 * 1024
FILE_BYTES = 50 * MB
ROUNDS = 7
ESBUILD = PROJECT / "node_modules" / ".bin" / "esbuild"
UPPY_PAGE = PROJECT / "tests" / "browser" / "uppy_page.js"  # the lines a page needs around stock Uppy, as tested

INPUT = """() => {
    const input = Object.assign(document.createElement("input"), { type: "file", id: "measured", multiple: true });
    document.body.append(input);
}"""

CONTENDERS = {
    "inlet": """async (file) => {
        const { Api, UploadSession } = await import("/web/client/index.js");
        const upload = new UploadSession(new Api(), [{ file, category: "instruction", mimeType: "application/pdf" }]);
        await upload.run();
    }""",
    "uppy": "(file) => globalThis.upload(file)",
    "one PUT": """async (file, url) => {
        const answer = await fetch(url, { method: "PUT", body: file });
        if (!answer.ok) throw new Error(answer.status);
    }""",
}


def seconds(page: Page, contender: str, url: str) -> float:
    """Upload once, timed in the page."""
    timed: float = page.evaluate(
        f"""async (url) => {{
            const [file] = document.querySelector("#measured").files;
            const begun = performance.now();
            await ({CONTENDERS[contender]})(file, url);
            return (performance.now() - begun) / 1000;
        }}""",
        url,
    )
    return timed


def measure(page: Page, stack: LocalStack) -> dict[str, list[float]]:
    """Measure all contenders in turns, after a round that is not counted."""
    times: dict[str, list[float]] = {contender: [] for contender in CONTENDERS}
    for number in range(ROUNDS + 1):
        for contender, measured in times.items():
            key = {"Bucket": stack.bucket, "Key": f"bench/{number}", "ContentType": "application/pdf"}
            spent = seconds(page, contender, stack.storage.generate_presigned_url("put_object", Params=key))
            if number > 0:
                measured.append(spent)
    return times


def report(times: dict[str, list[float]]) -> list[str]:
    """Print a table: each contender's median and best, and what share of the others' times ours are."""
    ours = times["inlet"]
    rows = [f"{'50 MB from a browser':<24}{'median s':>10}{'best s':>10}{'inlet takes, of median and best':>34}"]
    for contender, measured in times.items():
        shares = f"{median(ours) / median(measured):.2f} × {min(ours) / min(measured):.2f} ×"
        rows.append(f"{contender:<24}{median(measured):>10.2f}{min(measured):>10.2f}{shares:>34}")
    return rows


def bundled_uppy() -> str:
    """Return stock Uppy, with the lines a page needs around it, as one script."""
    bind = [str(ESBUILD), str(UPPY_PAGE), "--bundle", "--format=iife", "--minify", "--log-level=warning"]
    return subprocess.run(bind, check=True, capture_output=True, text=True).stdout


def main() -> int:
    """Print the table; the exit status."""
    chromium = shutil.which("chromium")
    if chromium is None or not ESBUILD.exists():
        print("Needs Chromium, and the packages of package.json (make lint brings them).", file=sys.stderr)
        return 1
    uppy = bundled_uppy()
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
        file = folder / "plan.pdf"
        file.write_bytes(b"%PDF-1.7\n" + os.urandom(FILE_BYTES - 9))
        stack = running.enter_context(LocalStack(folder / "stack", {"PORT": "0", "UPLOAD_SESSIONS_PER_DAY": "100000"}))
        playwright = running.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        running.callback(browser.close)
        page = browser.new_page(base_url=stack.url)
        page.set_default_timeout(600_000)
        page.route("**/uppy.js", lambda route: route.fulfill(body=uppy, content_type="text/javascript"))
        page.goto("/files")
        page.add_script_tag(url="/uppy.js")
        page.evaluate(INPUT)
        page.set_input_files("#measured", file)
        print("\n".join(report(measure(page, stack))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
