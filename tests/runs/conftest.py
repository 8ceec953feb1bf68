"""What tests of runs share."""

import pytest


@pytest.fixture(autouse=True)
def _programs_made_once(programs_made_once: None) -> None:
    """Runs of these tests differ in their records and in numbers, hardly ever in their programs."""
