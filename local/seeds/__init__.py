"""Example data with fixed ids, one module a family: what every fixture in events/ finds, reset at each seeding."""
