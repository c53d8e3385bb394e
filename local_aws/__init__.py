"""A SAM template on this machine: see README.md."""
