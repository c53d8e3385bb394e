"""A first day: what a person does, in its order, and what must be so after each step."""

import json
import os
import re
import subprocess
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import psycopg

from deployment.account import stack_name
from rehearsal import under_way
from rehearsal.cloud import Cloud
from rehearsal.journeys import edge, image_jobs, live, operations, speaking_sessions, upload_sessions, users
from rehearsal.permissions import account
from rehearsal.stack import Stack, deployed
from rehearsal.words import Failed, answered, require, say
from scripts.build import ROOT, host_architecture

STAGE, OTHER_STAGE = "dev", "staging"
ORIGIN, OTHER_ORIGIN = "https://pages.example.com", "https://www.example.com"
JOURNEYS = (edge, image_jobs, live, speaking_sessions, upload_sessions, users)
# What MiniStack's IAM is not asked for: whether a missing object is told from a forbidden one, and calls by services.
NEVER_ASKED = dict.fromkeys(("s3:ListBucket", "lambda:InvokeFunction"), " (not asked for by MiniStack)")
# Of the `make` that called us: its own variables are not the person's.
OF_MAKE = ("MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS")


class Day:
    """The day, a method a step. The database is dev's."""

    def __init__(self, cloud: Cloud, database_url: str, logs: Path) -> None:
        self._cloud = cloud
        self._database = database_url
        self._logs = logs
        self._samconfig = logs / "samconfig.toml"

    def first_deployment(self) -> None:
        """`make secret`, `make deploy`: the schema comes before any function that needs it."""
        self._make("secret", STAGE, DATABASE_URL=self._database, MIGRATIONS_DATABASE_URL=self._database)
        self._deploy(STAGE, ORIGIN)
        stack = self._stack()
        with psycopg.connect(self._database) as connection:
            applied = connection.execute("SELECT count(*) FROM schema_migrations").fetchone()
        require(applied == (len(list((ROOT / "migrations").glob("*.sql"))),), f"migrations applied: {applied}")
        early = _functions_before_the_schema(stack)
        require(early == {"OperationsMigrateFunction", "SiteFunction"} & early, f"before the schema: {early}")
        say(f"make secret, make deploy: {stack.url}, {len(stack.functions)} functions, schema first, smoke test passed")

    def every_family(self) -> None:
        """Call every function, each under its role."""
        stack = self._stack()
        with ThreadPoolExecutor(len(JOURNEYS)) as side_by_side:
            for told in side_by_side.map(lambda journey: journey.travel(stack), JOURNEYS):
                say(told)
        say(operations.travel(stack, self._database))
        called = {line.split()[0] for line in self._cloud.invocations.read_text().splitlines()}
        never = sorted(logical_id for logical_id, name in stack.functions.items() if name not in called)
        require(not never, f"never called: {', '.join(never)}")
        found = account(self._cloud.decisions, stack)
        require(not found.refused, "IAM refused:\n  " + "\n  ".join(found.refused))
        say(f"IAM: nothing refused, {found.used} of {found.granted} grants used, the others not:")
        for action, roles in sorted(found.unused.items()):
            words = NEVER_ASKED.get(action, "")
            print(f"            {action}{words}: {', '.join(sorted(set(roles)))}")

    def another_origin(self) -> None:
        """Deploy another origin while a job is under way: preflights follow, and the job ends as it began."""
        before = self._preflights()
        require(before == {ORIGIN: ORIGIN, OTHER_ORIGIN: None}, f"preflights: {before}")
        with under_way.a_job(self._stack(), self._database, self._cloud.invocations) as ended_in:
            self._deploy(STAGE, OTHER_ORIGIN)
        released = self._stack().released("ImageStagesCompleteFunction")
        require(
            ended_in == {"1"} and released == "2", f"a job of release 1 ended in {ended_in}; {released} is released"
        )
        require(self._status(STAGE) == "UPDATE_COMPLETE", f"the stack is {self._status(STAGE)}")
        after = self._preflights()
        require(after == {ORIGIN: None, OTHER_ORIGIN: OTHER_ORIGIN}, f"preflights: {after}")
        say("make deploy with another origin: UPDATE_COMPLETE, preflights follow")
        say("the job that was under way ended in the versions it began with")

    def another_secret(self) -> None:
        """`make secret`, `make rotate`: every function has the new value, and works by it."""
        key = str(uuid.uuid4())
        first = self._reserve(key)
        require(self._reserve(key) == first, "a repeated POST is not answered from what is kept")
        fresh = uuid.uuid4().hex * 2
        self._make("secret", STAGE, SERVER_SECRET=fresh)
        self._make("rotate", STAGE)
        stack = self._stack()
        environments = {name: stack.environment(name) for name in stack.functions}
        holders = {name: one["SECRETS"] for name, one in environments.items() if "SECRETS" in one}
        old = sorted(name for name, held in holders.items() if json.loads(held)["SERVER_SECRET"] != fresh)
        require(holders and not old, f"still with the old secret: {old}")
        require(self._reserve(key) != first, "an answer kept under the old secret can be read with the new one")
        say(f"make secret, make rotate: {len(holders)} functions have the new secret, and work by it")

    def another_stage(self) -> None:
        """A stage that comes to this database is refused in words, and leaves nothing behind."""
        self._make("secret", OTHER_STAGE, DATABASE_URL=self._database, MIGRATIONS_DATABASE_URL=self._database)
        said = self._deploy(OTHER_STAGE, fails=True)
        require("ForeignDatabase" in said, f"sam said:\n{said[-3000:]}")
        require(self._status(OTHER_STAGE) is None, f"the stack is still there: {self._status(OTHER_STAGE)}")
        say("make deploy STAGE=staging on the database of dev: refused in words, and the stack is gone")

    def taken_down(self) -> None:
        """`make destroy`: says what it keeps, and keeps it."""
        bucket = self._stack().bucket
        said = self._make("destroy", STAGE, YES="1")
        require(self._status(STAGE) is None, f"the stack is still there: {self._status(STAGE)}")
        kept = boto3.client("s3").list_objects_v2(Bucket=bucket)["KeyCount"]
        require(bucket in said.partition("It keeps")[2] and kept, f"{kept} files in {bucket}; it said:\n{said}")
        for part in ("functions", "restricted"):
            boto3.client("secretsmanager").get_secret_value(SecretId=f"inlet/{STAGE}/{part}")
        say(f"make destroy: the bucket has its {kept} files still, the secrets and the database are there")
        say(f"Names that somebody asked for beside these: {', '.join(sorted(self._cloud.network.refused)) or 'none'}")

    def _deploy(self, stage: str, origin: str = ORIGIN, *, fails: bool = False) -> str:
        """Deploy with a samconfig.toml as a person would have edited it; a day makes more uploads than an hour may."""
        ours = (
            f', "JwtIssuer={self._cloud.issuer.url}", "AllowedOrigins={origin}", "UploadsPerHour=100", "Analysis=local"'
        )
        declared = rf"(\[{stage}\.deploy\.parameters\][^\[]*parameter_overrides = \[[^\]]*)"
        edited, changes = re.subn(declared, lambda found: found[0] + ours, (ROOT / "samconfig.toml").read_text())
        require(changes == 1, f"samconfig.toml has no parameter_overrides of {stage}")
        self._samconfig.write_text(edited)
        return self._make(
            "deploy", stage, fails=fails, SAMCONFIG=str(self._samconfig), ARCHITECTURE=host_architecture()
        )

    def _make(self, target: str, stage: str, *, fails: bool = False, **variables: str) -> str:
        """Call a target as a person does; return what it said, which is kept too."""
        environment = {name: value for name, value in os.environ.items() if name not in OF_MAKE}
        done = subprocess.run(
            ["make", "--no-print-directory", target],
            cwd=ROOT,
            env=environment | {"STAGE": stage, "REGION": ""} | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        with (self._logs / f"make-{target}-{stage}.log").open("a") as log:
            log.write(done.stdout)
        if (done.returncode != 0) is not fails:
            raise Failed(f"make {target} STAGE={stage} ended with {done.returncode}:\n{done.stdout[-4000:]}")
        return done.stdout

    def _stack(self) -> Stack:
        return deployed(stack_name(STAGE), self._cloud.issuer)

    def _status(self, stage: str) -> str | None:
        summaries = boto3.client("cloudformation").list_stacks()["StackSummaries"]
        named = [one["StackStatus"] for one in summaries if one["StackName"] == stack_name(stage)]
        return next((status for status in named if status != "DELETE_COMPLETE"), None)

    def _preflights(self) -> dict[str, str | None]:
        stack, allowed = self._stack(), {}
        for origin in (ORIGIN, OTHER_ORIGIN):
            answer = edge.preflight(stack, origin)
            allowed[origin] = answer.headers.get("access-control-allow-origin") if answer.is_success else None
        return allowed

    def _reserve(self, key: str) -> str:
        body = {"email": "somebody@example.com", "type": "image/jpeg", "size": 1000}
        with self._stack().client() as http:
            reserved = answered(http.post("/api/upload", json=body, headers={"Idempotency-Key": key}), 201)
        return str(reserved["uploadId"])


def _functions_before_the_schema(stack: Stack) -> set[str]:
    """Return the functions whose creation began before the schema was there."""
    pages = boto3.client("cloudformation").get_paginator("describe_stack_events").paginate(StackName=stack_name(STAGE))
    early: set[str] = set()
    for event in reversed([one for page in pages for one in page["StackEvents"]]):
        if event["LogicalResourceId"] == "Schema" and event["ResourceStatus"] == "CREATE_COMPLETE":
            return early
        if event["LogicalResourceId"] in stack.functions:
            early.add(event["LogicalResourceId"])
    raise Failed("the schema was never made")
