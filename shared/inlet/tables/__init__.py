"""All SQL: static text, bound parameters, one module a table family. A state change is one statement."""
