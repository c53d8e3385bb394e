"""What the generate function holds at most, beside the memory that the template gives it where the generator is Gemini.

python -m bench.memory

Each answer is asked for in a fresh process: Lambda's runtime, the function with all that it imports, its database, its
bucket, and a stand-in that speaks the model's protocol over a socket.
"""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import psycopg

from bench.in_process import ROOT
from inlet import identifiers, keys
from inlet.gemini import MOST_ANSWER_BYTES
from local.stack import PROJECT, LocalStack
from local_aws.template import Template
from tests.support import gemini_stand_in

MEGABYTE = 1024 * 1024
FUNCTION = "ImageStagesGenerateFunction"
INPUT = b"\xff\xd8\xff" + bytes(2 * MEGABYTE)
"""No picture: the function does not look at what it sends."""
LARGEST = (MOST_ANSWER_BYTES - 1024) * 3 // 4
"""The largest picture whose answer is read, in bytes: its words take a little beside the base64."""


@dataclass(frozen=True)
class Outcome:
    """Peak memory in bytes, and what was raised, if anything was."""

    peak: int
    error: str


def limit() -> int:
    """Return the function's memory in bytes, as the template has it with Gemini."""
    functions = Template(PROJECT / "template.yaml", parameters={"Generator": "gemini"}).functions
    return functions[FUNCTION].memory * MEGABYTE


def generate(stack: LocalStack, picture_bytes: int) -> Outcome:
    """Invoke the function for a job of its own, which is answered with a picture of that size."""
    upload_id = identifiers.new_upload_id()
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO uploads (id, email, session_token_hash, original_url, content_type, etag, confirmed_at,"
            " status, stage, progress, attempt)"
            " VALUES (%s, 'b@example.com', %s, %s, 'image/jpeg', 'e', now(), 'processing', 'validating', 10, 1)",
            (upload_id, identifiers.token_hash(upload_id), keys.original(upload_id, "jpg")),
        )
    stack.storage.put_object(Bucket=stack.bucket, Key=keys.model_input(upload_id), Body=INPUT)
    picture = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
    picture += os.urandom(picture_bytes - len(picture))
    with gemini_stand_in.GeminiStandIn() as gemini:
        gemini.script(gemini_stand_in.picture(picture))
        settings = {"GENERATOR": "gemini", "GEMINI_API_KEY": "none", "GEMINI_BASE_URL": gemini.url}
        command = [sys.executable, "-m", "bench.one_generation", json.dumps({"uploadId": upload_id, "attempt": 1})]
        environment = {**os.environ, **stack.environment, **settings, "PYTHONPATH": f"{ROOT / 'shared'}:{ROOT}"}
        answer = subprocess.run(command, env=environment, cwd=ROOT, check=True, capture_output=True, text=True)
    return Outcome(**json.loads(answer.stdout.splitlines()[-1]))


def main() -> None:
    """Print one line a size of picture."""
    most = limit()
    print(f"{'generate, peak memory':<32}{'MiB':>8}{'/ its memory':>16}")
    with (
        tempfile.TemporaryDirectory() as directory,
        LocalStack(Path(directory), {"PORT": "0", "SCHEDULE_SECONDS": "0"}, durable=False) as stack,
    ):
        for size in (MEGABYTE, 8 * MEGABYTE, 20_000_000, LARGEST, 2 * LARGEST):
            found = generate(stack, size)
            name = f"a picture of {size / MEGABYTE:.1f} MiB"
            print(f"{name:<32}{found.peak / MEGABYTE:>8.0f}{found.peak / most:>16.2f}   {found.error}", flush=True)


if __name__ == "__main__":
    main()
