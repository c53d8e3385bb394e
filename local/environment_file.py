"""`.inlet/env.json`: what `sam local invoke --env-vars` gives a function in a container so that it reaches this stack.

Inside a container 127.0.0.1 is the container. `--docker-network host` does not help: SAM creates the container on the
default bridge and skips "host" when it joins networks. So every address says `host.docker.internal`: Docker Desktop
resolves it to this machine by itself; on Linux `--add-host host.docker.internal:host-gateway` (in samconfig.toml) does,
and `container_bridge` answers there. SAM sets only variables the template declares for a function; what is a secret on
AWS must be named here, or the function would see the unresolved reference.
"""

from local.stack import SERVER_ADDRESSES, LocalStack
from local_aws.container_bridge import HOST_FROM_CONTAINER
from local_aws.ports import HOST

AS_THEY_ARE = ("BUCKET", "S3_REGION", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY", "STAGE", "GENERATOR", "ANALYSIS")
SECRETS = ("GEMINI_API_KEY", "POSTHOG_API_KEY")


def container_environment(stack: LocalStack) -> dict[str, dict[str, str]]:
    """Return the form that `--env-vars` reads: `Parameters` are for every function."""
    known = stack.environment
    servers = [*SERVER_ADDRESSES, *(["LIVE_ENDPOINT_URL"] if "LIVE_ENDPOINT_URL" in known else [])]
    addresses = {name: known[name].replace(HOST, HOST_FROM_CONTAINER) for name in servers}
    parameters = addresses | {name: known[name] for name in AS_THEY_ARE if name in known}
    parameters |= {name: known.get(name, "") for name in SECRETS}
    parameters["MIGRATIONS_DATABASE_URL"] = addresses["DATABASE_URL"]
    machines = {machine.name: machine.arn for machine in stack.template.state_machines}
    parameters["STATE_MACHINE_ARN"] = machines[f"{stack.template.stack_name}-process-image"]
    parameters["ANALYSIS_STATE_MACHINE_ARN"] = machines[f"{stack.template.stack_name}-analyse-recording"]
    return {"Parameters": parameters}
