"""What AWS takes for 1,000 image jobs with Gemini: the template's memory, measured work, and prices with their sources.

    python -m bench.cost [--model-seconds 60 75] [--jobs-a-month 230000]

A whole job runs in this process against the real database and bucket, and a stand-in of the model that answers at once.
Counted are each function's processor time, its calls and the bytes that leave; the wait for the model is a parameter.
Amounts are dollars in us-east-1 on arm64, for warm functions. Of free tiers only an account's 100 GB of egress a month
are counted, which is why the number of jobs matters. The model's own price is not in them.
"""

import argparse
import io
import json
import logging
import math
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any
from unittest import mock

import httpx

from bench.in_process import answer, handler, printed, request, use
from bench.wire import CountingProxy, counting
from inlet import storage
from inlet.identifiers import result_id_for
from inlet.logs import logger
from inlet.workflow import Workflow
from local.stack import PROJECT, LocalStack
from local_aws.template import Template
from tests.support import gemini_stand_in, photographs

JOBS = 5
SETTINGS = {"PORT": "0", "RATE_LIMIT_BYPASS": "true", "SCHEDULE_SECONDS": "0"}
TARGETS = {60: 0.56, 75: 0.62}
"""The most that 1,000 jobs may cost, in dollars, by the seconds that the model takes."""


@dataclass(frozen=True)
class Price:
    """Dollars for one unit, and where that is said."""

    dollars: float
    source: str


PRICES = {
    "lambda GB-second": Price(0.0000133334, "cloudchipr.com/blog/aws-lambda-pricing (arm64)"),
    "lambda request": Price(0.20 / 1e6, "aws.amazon.com/lambda/pricing"),
    "http api request": Price(1.00 / 1e6, "aws.amazon.com/api-gateway/pricing"),
    "state transition": Price(0.025 / 1e3, "aws.amazon.com/step-functions/pricing"),
    "s3 put": Price(0.005 / 1e3, "aws.amazon.com/s3/pricing, from memory"),
    "s3 get": Price(0.0004 / 1e3, "aws.amazon.com/s3/pricing, from memory"),
    "log GB": Price(0.50, "aws.amazon.com/cloudwatch/pricing, from memory"),
    "egress GB": Price(0.09, "aws.amazon.com/ec2/pricing/on-demand, Data Transfer"),
}

FREE_EGRESS_GB = 100  # a month; amnic.com/blogs/aws-api-gateway-pricing
JOBS_A_MONTH = 230_000

# What no measurement on this machine can tell.
FULL_PROCESSOR_MB = 1769  # a function with less memory has that much less of a processor
DATABASE_SECONDS = 0.003  # a round trip, in the region
BUCKET_SECONDS = 0.03  # a call
POLL_SECONDS = 2.5
RUNTIME_LOG_BYTES = 1000  # start and report of an invocation, and what JSON adds to our lines
ACCESS_LOG_BYTES = 350  # a request, as the template formats it
ANSWER_HEADER_BYTES = 400

FUNCTIONS = {
    "ImageJobsCreateFunction": "image_jobs/create",
    "ImageJobsConfirmFunction": "image_jobs/confirm",
    "ImageJobsProcessFunction": "image_jobs/process",
    "ImageJobsStatusFunction": "image_jobs/status",
    "ImageJobsResultFunction": "image_jobs/result",
    "ImageStagesValidateFunction": "image_stages/validate",
    "ImageStagesGenerateFunction": "image_stages/generate",
    "ImageStagesStoreFunction": "image_stages/store",
    "ImageStagesWatermarkFunction": "image_stages/watermark",
    "ImageStagesCompleteFunction": "image_stages/complete",
}
STATUS, GENERATE = "ImageJobsStatusFunction", "ImageStagesGenerateFunction"


@dataclass(frozen=True)
class Work:
    """One invocation: seconds of a whole processor, calls, and bytes that it logs and answers."""

    processor_seconds: float = 0
    puts: int = 0
    gets: int = 0
    round_trips: int = 0
    logged: int = 0
    answered: int = 0


@dataclass(frozen=True)
class Job:
    """What a job takes beside the model's time: its invocations by function, a poll once, and the bytes to others."""

    work: Mapping[str, Work]
    sent_to_model: int
    preview: int


def seconds(work: Work, memory: int) -> float:
    """Return how long an invocation with `memory` MB takes: the less memory, the less of a processor it has."""
    slower = max(1.0, FULL_PROCESSOR_MB / memory)
    waiting = work.round_trips * DATABASE_SECONDS + (work.puts + work.gets) * BUCKET_SECONDS
    return work.processor_seconds * slower + waiting


def cost(
    job: Job, memory: Mapping[str, int], transitions: int, model_seconds: float, jobs_a_month: int = JOBS_A_MONTH
) -> dict[str, float]:
    """Return the dollars for 1,000 jobs by what they are paid for. `memory` is in MB, by function."""
    took = {name: seconds(work, memory[name]) for name, work in job.work.items()}
    took[GENERATE] += model_seconds
    stages = [name for name in job.work if name.startswith("ImageStages")]
    requests = [name for name in job.work if name not in stages]
    polls = math.ceil(sum(took[name] for name in stages) / POLL_SECONDS)
    times = {name: polls if name == STATUS else 1 for name in job.work}

    def total(amount: Callable[[Work], float], names: list[str]) -> float:
        return sum(times[name] * amount(job.work[name]) for name in names)

    def processors(*names: str) -> float:
        return sum(times[name] * took[name] * memory[name] / 1024 for name in names)

    everything = list(job.work)
    calls = sum(times[name] for name in requests)
    logs = total(lambda work: work.logged + RUNTIME_LOG_BYTES, everything) + calls * ACCESS_LOG_BYTES
    answers = total(lambda work: work.answered + ANSWER_HEADER_BYTES, requests)
    leaving = job.sent_to_model + job.preview + answers
    billed = max(0.0, 1 - FREE_EGRESS_GB * 1e9 / (leaving * jobs_a_month))
    units = {
        "generate": ("lambda GB-second", processors(GENERATE)),
        "the other stages": ("lambda GB-second", processors(*(name for name in stages if name != GENERATE))),
        "API functions": ("lambda GB-second", processors(*requests)),
        "invocations": ("lambda request", sum(times.values())),
        "HTTP API": ("http api request", calls),
        "Step Functions": ("state transition", transitions),
        "S3 writes": ("s3 put", 1 + total(lambda work: work.puts, everything)),  # and the sender's PUT
        "S3 reads": ("s3 get", 1 + total(lambda work: work.gets, everything)),  # and the sender's look at the preview
        "logs": ("log GB", logs / 1e9),
        "egress to the model": ("egress GB", billed * job.sent_to_model / 1e9),
        "egress of preview, answers": ("egress GB", billed * (job.preview + answers) / 1e9),
    }
    return {name: 1000 * PRICES[price].dollars * amount for name, (price, amount) in units.items()}


def transitions(definition: str) -> int:
    """Return how many state transitions a job takes that meets no error: its states, and the start."""
    machine = json.loads(definition)
    count, state = 1, machine["StartAt"]
    while state:
        count, state = count + 1, machine["States"][state].get("Next")
    return count


def measure(stack: LocalStack, gemini: gemini_stand_in.GeminiStandIn) -> Job:
    """Run jobs, a first one to warm up, and return each function's median processor time, and the last one's counts."""
    with counting(stack.database_url) as proxy, _own_process(stack, gemini, proxy) as logged:
        handlers = {name: handler(folder) for name, folder in FUNCTIONS.items()}
        runs = [_run(gemini, handlers, _Meter(proxy, logged)) for _ in range(1 + JOBS)][1:]
    work = {
        name: Work(**vars(last) | {"processor_seconds": median(run.work[name].processor_seconds for run in runs)})
        for name, last in runs[-1].work.items()
    }
    return Job(work, runs[-1].sent_to_model, runs[-1].preview)


class _Context:
    """What handlers ask of Lambda's context."""

    aws_request_id = "bench"
    function_name = "bench"


class _Meter:
    """Counts what one invocation does."""

    def __init__(self, proxy: CountingProxy, logged: io.StringIO) -> None:
        self.work: dict[str, Work] = {}
        self._proxy, self._logged = proxy, logged
        self._calls: Counter[str] = Counter()
        storage.client().meta.events.register("before-call.s3", self._count)

    def _count(self, model: Any, **_: Any) -> None:
        self._calls["puts" if model.http["method"] in ("PUT", "POST") else "gets"] += 1

    def invoke(self, name: str, work: Callable[[Any, Any], Any], event: dict[str, Any]) -> Any:
        self._calls.clear()
        trips, logged, started = self._proxy.round_trips, self._logged.tell(), time.thread_time()
        reply = work(event, _Context)
        self.work[name] = Work(
            processor_seconds=time.thread_time() - started,
            puts=self._calls["puts"],
            gets=self._calls["gets"],
            round_trips=self._proxy.round_trips - trips,
            logged=self._logged.tell() - logged,
            answered=len(reply.get("body") or ""),
        )
        return reply


@contextmanager
def _own_process(
    stack: LocalStack, gemini: gemini_stand_in.GeminiStandIn, proxy: CountingProxy
) -> Iterator[io.StringIO]:
    """Make this process every function of the stack, with its log in a buffer and no workflow to start."""
    arn = stack.template.state_machines[0].arn
    model = {"GENERATOR": "gemini", "GEMINI_API_KEY": "none", "GEMINI_BASE_URL": gemini.url}
    use({**stack.environment, **model, "DATABASE_URL": proxy.url, "STATE_MACHINE_ARN": arn})
    logger.setLevel("INFO")
    for output in logger.handlers:
        if isinstance(output, logging.StreamHandler):
            output.setStream(printed)
    with mock.patch.object(Workflow, "start"):  # the stages are called one by one
        yield printed


def _run(gemini: gemini_stand_in.GeminiStandIn, handlers: Mapping[str, Any], meter: _Meter) -> Job:
    content = photographs.photograph(photographs.noise(4000, 3000), "JPEG", quality=90)
    drawn = photographs.photograph(photographs.noise(1024, 1024), "PNG")

    def call(verb: str, *event: Any, **more: Any) -> dict[str, Any]:
        name = f"ImageJobs{verb}Function"
        return answer(meter.invoke(name, handlers[name], request(*event, **more)))

    body = {"email": "bench@example.com", "type": "image/jpeg", "size": len(content)}
    upload = call("Create", "POST", "/api/upload", body)
    upload_id, headers = upload["uploadId"], {"x-session-token": upload["sessionToken"]}
    httpx.put(upload["uploadUrl"], content=content, headers=upload["headers"]).raise_for_status()
    call("Confirm", "POST", f"/api/upload/{upload_id}/confirm", headers=headers)
    call("Process", "POST", "/api/process", {"uploadId": upload_id}, headers)
    gemini.script(gemini_stand_in.picture(drawn))
    for name in (name for name in handlers if name.startswith("ImageStages")):
        meter.invoke(name, handlers[name], {"uploadId": upload_id, "attempt": 1})
        if name == GENERATE:
            call("Status", "GET", f"/api/status/{upload_id}", headers=headers)
    result = call("Result", "GET", f"/api/results/{result_id_for(upload_id)}", headers=headers)
    sent = len(json.dumps(gemini.asked[-1].body))
    preview = len(httpx.get(result["previewUrl"]).raise_for_status().content)
    return Job(dict(meter.work), sent, preview)


def main() -> None:
    """Print the table, a column for each of the model's times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model-seconds", type=int, nargs="+", default=list(TARGETS))
    parser.add_argument("--jobs-a-month", type=int, default=JOBS_A_MONTH)
    arguments = parser.parse_args()
    columns = arguments.model_seconds
    template = Template(PROJECT / "template.yaml", parameters={"Generator": "gemini"})
    memory = {name: template.functions[name].memory for name in FUNCTIONS}
    with (
        tempfile.TemporaryDirectory() as directory,
        gemini_stand_in.GeminiStandIn() as gemini,
        LocalStack(Path(directory), SETTINGS, durable=False) as stack,
    ):
        job = measure(stack, gemini)
    print(f"{'function':<32}{'MB':>8}{'ms':>8}{'of it processor':>18}{'S3':>5}{'database':>10}")
    for name, work in job.work.items():
        took, own = seconds(work, memory[name]) * 1000, work.processor_seconds * 1000
        print(f"{name:<32}{memory[name]:>8}{took:>8.0f}{own:>18.0f}{work.puts + work.gets:>5}{work.round_trips:>10}")
    steps = transitions(template.state_machines[0].definition)
    costs = {column: cost(job, memory, steps, column, arguments.jobs_a_month) for column in columns}
    unfree = {column: sum(cost(job, memory, steps, column, 10**12).values()) for column in columns}
    print(
        f"\n{f'$ for 1,000 of {arguments.jobs_a_month:,} jobs':<32}"
        + "".join(f"{f'{column} s':>8}" for column in columns)
    )
    for row in costs[columns[0]]:
        print(f"{row:<32}" + "".join(f"{costs[column][row]:>8.3f}" for column in columns))
    print(f"{'sum':<32}" + "".join(f"{sum(costs[column].values()):>8.3f}" for column in columns))
    print(f"{'with every byte of egress paid':<32}" + "".join(f"{unfree[column]:>8.3f}" for column in columns))
    for column in columns:
        if target := TARGETS.get(column):
            met = sum(costs[column].values()) <= target
            print(f"at most ${target} at {column} s of model time: {'holds' if met else 'MISSED'}")
    print("\nprices")
    for name, price in PRICES.items():
        print(f"  {name:<20}${price.dollars:.10f}  {price.source}")


if __name__ == "__main__":
    main()
