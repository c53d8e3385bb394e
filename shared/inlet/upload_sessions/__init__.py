"""Upload sessions: their rules, rows, messages and tables, and the work on rows and bucket together.

The order is always the same: read the session, work in the bucket, then change the rows in one conditional statement.
A crash in between leaves the row as it was, and the same call again finds what is there. Whatever no row knows lies
under the session's prefix, where the sweeper looks when the session has ended.
"""
