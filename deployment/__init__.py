"""Deploying Inlet: the account, its secrets, the deployment itself, a smoke test, and taking it down again."""
