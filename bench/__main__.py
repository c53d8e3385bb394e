"""All measurements, one after the other: `make bench`, or `make bench ONLY=imaging`. Ratios hold within one run.

`status_scale` fills ten million rows, six gigabytes and ten minutes or more: it runs when it is named.
"""

import importlib
import sys

PARTS = (
    *("init", "image_jobs", "memory", "cost", "imaging", "listening"),
    *("upload_sessions", "browser_upload", "line", "live"),
)
BY_NAME = ("status_scale",)


def main() -> None:
    """Run the named parts, or all."""
    for part in sys.argv[1:] or PARTS:
        if part not in PARTS + BY_NAME:
            raise SystemExit(f"There is no {part}; there are {', '.join(PARTS + BY_NAME)}")
        print(f"\n# {part}\n", flush=True)
        module = importlib.import_module(f"bench.{part}")
        sys.argv = [f"bench.{part}"]
        module.main()


if __name__ == "__main__":
    main()
