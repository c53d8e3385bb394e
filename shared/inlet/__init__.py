"""What Inlet's functions share: models, storage, tables, the workflow and the edge. Imports no function."""
