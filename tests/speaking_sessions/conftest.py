"""What the tests of speaking sessions share: their world."""

import pytest

from tests.support.worlds.speaking_sessions import SpeakingSessionsWorld


@pytest.fixture
def world(speaking_sessions_world: SpeakingSessionsWorld) -> SpeakingSessionsWorld:
    """Name this folder's world."""
    return speaking_sessions_world
