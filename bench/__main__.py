"""All measurements, one after the other: `make bench`, or `make bench ONLY=imaging`. Ratios hold within one run."""

import importlib
import sys

PARTS = ("init", "image_jobs", "memory", "cost", "status_scale", "imaging", "upload_sessions", "browser_upload", "line")


def main() -> None:
    """Run the named parts, or all."""
    for part in sys.argv[1:] or PARTS:
        if part not in PARTS:
            raise SystemExit(f"There is no {part}; there are {', '.join(PARTS)}")
        print(f"\n# {part}\n", flush=True)
        module = importlib.import_module(f"bench.{part}")
        sys.argv = [f"bench.{part}"]
        module.main()


if __name__ == "__main__":
    main()
