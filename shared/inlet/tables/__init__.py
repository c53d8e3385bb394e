"""All SQL: static text, bound parameters, one module a table family. A state change is one statement.

A batch is chosen by `= ANY(ARRAY(SELECT … LIMIT …))` or in a materialized CTE, never by `IN (SELECT … LIMIT …)`: a
nested loop evaluates that again for every row, and the batch has no end.
"""
