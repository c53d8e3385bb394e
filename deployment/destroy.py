"""`make destroy STAGE=dev`: takes the stack down, and says what it keeps."""

import os
import sys

from botocore.exceptions import WaiterError

from deployment import edge_files, secrets
from deployment.account import WAITING, Account, outputs, stack_name, stack_status
from deployment.protection import refuse_protected
from deployment.words import Refused, say


def destroy(where: Account, stage: str) -> None:
    """Delete the stage's stack once the person has typed its name (or set YES=1)."""
    if stack_status(where, stage) is None:
        raise Refused(f"There is no stack {stack_name(stage)} in account {where.number}, region {where.region}.")
    refuse_protected(where, stage)
    bucket = outputs(where, stack_name(stage)).get("BucketName", "its bucket")
    say(f"This deletes the stack {stack_name(stage)} in account {where.number}, region {where.region}:")
    say("  its functions, API, workflow, schedules, alarms, logs, and its user pool with all users, if it has one.")
    say("It keeps, for you to delete or to use again:")
    say(f"  the bucket {bucket} with all files (a new stack takes it over with CreateBucket=false),")
    say("  the database with all rows,")
    say(f"  the secrets {secrets.functions_secret(stage).name} and {secrets.restricted_secret(stage).name}.")
    if not os.environ.get("YES"):
        if not sys.stdin.isatty():
            raise Refused("Set YES=1 to delete without being asked.")
        if input(f"Type {stack_name(stage)} to delete it: ").strip() != stack_name(stage):
            raise Refused("Nothing was deleted.")
    if files := edge_files.bucket_of(where, stage):
        edge_files.empty(where, files)
    client = where.client("cloudformation")
    client.delete_stack(StackName=stack_name(stage))
    try:
        client.get_waiter("stack_delete_complete").wait(StackName=stack_name(stage), WaiterConfig=WAITING)
    except WaiterError as error:
        raise Refused("CloudFormation could not delete all of it; the stack's events say why.") from error
    say("Deleted.")
