"""`make rehearse`: Inlet's first day on AWS, rehearsed on this machine without an account.

AWS is played by MiniStack, a Python package, with what it lacks put right in `seams/`. It answers to AWS's own names:
HTTPS_PROXY leads them to this machine, and whatever asks for any other name is refused. So what runs here is what a
person runs: `make secret`, `make deploy`, `make rotate`, `make destroy`, and sam, boto3 and the functions behind them,
with nothing changed but variables that every AWS client knows.

It proves that

- the Makefile, samconfig.toml, the built template and every package reach a stack by the real client: the template
  transforms, resolves its secrets, creates, updates, rolls back and deletes;
- the schema is there before any function that needs it, made by the deployed function through CloudFormation's own
  protocol, and a stage that comes to another's database is refused and removed;
- every function starts from what was uploaded, on Lambda's own runtime emulator, with the environment that
  CloudFormation gave it, and answers through its route, with its role and no other right: a refused call fails;
- tokens of an OpenID Connect issuer are checked, and preflights answered, for the origins that were deployed;
- a rotated secret reaches the functions, and a deleted stack leaves its bucket with all files.

docs/deploy.md lists what only an account can show.
"""
