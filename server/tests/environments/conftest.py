"""Homes of servers, a folder of wheels, and the command line on them. Nothing is downloaded."""

from pathlib import Path

import pytest
from support.environment_place import Place, make_place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A place where no plugin is installed yet."""
    return make_place(tmp_path)
