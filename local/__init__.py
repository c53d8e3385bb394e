"""What `make run` starts: the whole deployed bundle on one machine, without Docker and without AWS. Never deployed."""
