"""Requests, replies and rows."""
