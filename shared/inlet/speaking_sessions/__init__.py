"""Speaking sessions: their media types, requests, rows, replies and tables."""
