"""What can be said of speech: when somebody speaks, in which words, and every number that follows from both."""
