"""The pages' files in the bucket behind CloudFront, where a stage has a domain of its own."""

from deployment.account import Account, outputs, stack_name
from deployment.words import say
from inlet.website import Website
from scripts.build import WEB_DIRECTORY


def bucket_of(where: Account, stage: str) -> str | None:
    """Return the bucket that the stage's edge reads; None where there is no edge."""
    return outputs(where, stack_name(stage)).get("EdgeFilesBucket")


def upload(where: Account, stage: str) -> None:
    """Put what was built into the stage's bucket. Older releases' files stay, for pages that are open."""
    if not (bucket := bucket_of(where, stage)):
        return
    client = where.client("s3")
    there = {
        one["Key"]
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        for one in page.get("Contents", [])
    }
    sent = 0
    site = Website(WEB_DIRECTORY)
    for name, file in site.files.items():
        key = f"web/{name}"
        if key in there and site.never_changes(name):
            continue
        client.put_object(
            Bucket=bucket,
            Key=key,
            Body=file.content,
            ContentType=file.media_type,
            CacheControl=site.cache_control(name),
        )
        sent += 1
    say(f"{sent} of {len(site.files)} files are new in {bucket}")


def empty(where: Account, bucket: str) -> None:
    """Delete all files: CloudFormation deletes empty buckets only."""
    client = where.client("s3")
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        if found := [{"Key": one["Key"]} for one in page.get("Contents", [])]:
            client.delete_objects(Bucket=bucket, Delete={"Objects": found, "Quiet": True})
