"""Each import contract is kept here, and broken by an import that must break it."""

import copy
from pathlib import Path

import grimp
import pytest
from importlinter.application.use_cases import _register_contract_types, read_user_options
from importlinter.configuration import configure
from importlinter.domain.contract import Contract, registry
from importlinter.domain.helpers import UserOptions  # noqa: F401

ROOT = Path(__file__).parents[3]
