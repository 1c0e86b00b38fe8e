"""Settings and the rule that keeps an open server at home."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app.settings import Settings, UnsafeSettings, check_safe, unknown_variables

LOOPBACK = ("127.0.0.1", "127.9.9.9", "::1", "localhost")
OUTSIDE = ("0.0.0.0", "::", "192.168.1.7", "example.org", "localhost.example.org", "")
KEY = "0123456789abcdef"


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGHTGATE_PORT", "9000")
    monkeypatch.setenv("SIGHTGATE_DATA_DIR", "/somewhere")
    monkeypatch.setenv("SIGHTGATE_API_KEY", KEY)
    settings = Settings()
    assert (settings.port, settings.data_dir, settings.key) == (9000, Path("/somewhere"), KEY)
    assert Settings(port=9001).port == 9001


def test_every_setting_has_a_default_and_says_what_it_is() -> None:
    for name, field in Settings.model_fields.items():
        assert not field.is_required(), name
        assert field.description, name


def test_times_and_sizes_say_their_unit() -> None:
    units = {"_s": "second", "_bytes": "bytes", "_mb": "MiB", "_pixels": "pixels"}
    for name, field in Settings.model_fields.items():
        for ending, unit in units.items():
            if name.endswith(ending):
                assert unit in str(field.description) or "within" in name or "time" in str(field.description), name


@pytest.mark.parametrize(
    "wrong",
    [
        {"port": 70_000},
        {"port": "http"},
        {"max_wait_s": 0},
        {"max_waiting": -1},
        {"log_format": "xml"},
        {"data_dir": ""},
        {"plugins_dir": ""},
        {"blob_url": ""},
        {"blob_url": "ftp://host/blobs"},
        {"max_wait_s": float("inf")},
        {"retain_days": float("inf")},
    ],
    ids=str,
)
def test_impossible_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Settings(**wrong)


def test_the_key_is_not_shown() -> None:
    assert KEY not in repr(Settings(api_key=KEY))


@pytest.mark.parametrize("host", LOOPBACK)
def test_on_loopback_an_open_server_is_allowed(host: str) -> None:
    check_safe(Settings(host=host, api_key=None))


@pytest.mark.parametrize("host", OUTSIDE)
def test_beyond_loopback_a_key_is_wanted_with_the_command_that_makes_one(host: str) -> None:
    with pytest.raises(UnsafeSettings, match="export SIGHTGATE_API_KEY="):
        check_safe(Settings(host=host, api_key=None))
    check_safe(Settings(host=host, api_key=KEY))


@pytest.mark.parametrize("host", LOOPBACK + OUTSIDE)
def test_a_short_key_is_refused_everywhere(host: str) -> None:
    for key in ("", "x", KEY[:-1]):
        with pytest.raises(UnsafeSettings, match="shorter than 16"):
            check_safe(Settings(host=host, api_key=key))


def test_a_mistyped_variable_is_told_with_the_setting_that_it_looks_like() -> None:
    names = ["SIGHTGATE_MIN_ISOLATON", "SIGHTGATE_QQQ", "SIGHTGATE_MIN_ISOLATION", "HOME"]
    assert unknown_variables(names) == {"SIGHTGATE_MIN_ISOLATON": "SIGHTGATE_MIN_ISOLATION", "SIGHTGATE_QQQ": None}


def test_what_kubernetes_sets_for_services_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = ("SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT", "PORT_8000_TCP", "PORT_8000_TCP_ADDR")
    names = [f"SIGHTGATE_{service}{name}" for service in ("", "JOBS_DB_") for name in ours]
    assert unknown_variables([*names, "SIGHTGATE_MY_PORT", "SIGHTGATE_PORTS"]) == {
        "SIGHTGATE_MY_PORT": "SIGHTGATE_PORT",
        "SIGHTGATE_PORTS": "SIGHTGATE_PORT",
    }
    monkeypatch.setenv("SIGHTGATE_PORT", "tcp://10.0.0.1:9000")
    assert Settings().port == 8000
    assert Settings(port=9001).port == 9001


@pytest.mark.parametrize("name", ["retain_days", "blob_grace_s"])
def test_the_longest_time_that_is_taken_can_be_counted_back(name: str) -> None:
    bound = next(limit.le for limit in Settings.model_fields[name].metadata if hasattr(limit, "le"))
    unit = timedelta(days=1) if name.endswith("_days") else timedelta(seconds=1)
    assert datetime.now(UTC) - bound * unit < datetime.now(UTC)
