"""What callers do with a deployed stack: every function answers at least once, and nearly every grant is used."""
