"""What Inlet's functions share: models, storage, tables, the workflow and the edge. Imports no function."""

VERSION = "0.1.0"
"""As in pyproject.toml, which no function has with it."""
