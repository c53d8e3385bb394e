"""What is a user's as a whole, whichever family it belongs to: all of it exported, all of it deleted."""
