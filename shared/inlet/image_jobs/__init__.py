"""Image jobs: their rows, messages and tables, the edge of their workflow's tasks, and the image model."""
