"""A function that cannot be loaded."""

import a_module_that_is_in_no_layer  # type: ignore[import-not-found]  # noqa: F401
