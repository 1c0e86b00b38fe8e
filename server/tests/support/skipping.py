"""Skips that CI must not make: there a test that cannot run has failed."""

import os
from typing import NoReturn

import pytest

MUST_NOT = "SIGHTGATE_TESTS_MUST_NOT_SKIP"


def skip(reason: str) -> NoReturn:
    """Skip the test for what this machine lacks; with SIGHTGATE_TESTS_MUST_NOT_SKIP=1, fail it."""
    if os.environ.get(MUST_NOT) == "1":
        pytest.fail(f"{reason}, and {MUST_NOT} is set")
    pytest.skip(reason)
