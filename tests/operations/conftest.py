"""What the tests of the scheduled functions share: image jobs are what they are watched on."""

import pytest

from tests.support.worlds.image_jobs import ImageJobsWorld


@pytest.fixture
def world(image_jobs_world: ImageJobsWorld) -> ImageJobsWorld:
    """Name this folder's world."""
    return image_jobs_world
