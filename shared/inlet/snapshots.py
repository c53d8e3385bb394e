"""Copies of one snapshot. With SnapStart, Lambda keeps an initialised function, and starts every environment from it.

What was random or open in the one would be the same in all: whoever keeps such a thing has it made anew here.
"""

from collections.abc import Callable

try:
    from snapshot_restore_py import register_after_restore  # of Lambda's runtime, which has no types
except ModuleNotFoundError:  # nobody restores anything on this machine

    def register_after_restore(_work: Callable[[], object]) -> None:
        """Do nothing."""


def after_restore(work: Callable[[], object]) -> None:
    """Have `work` done in every copy, before its first request."""
    register_after_restore(work)
