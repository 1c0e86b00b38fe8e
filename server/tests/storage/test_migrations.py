import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine
from support.stores import claim

from app.governance.job_lifecycle import JobStatus
from app.storage.errors import SchemaTooNew, StorageError
from app.storage.migrate import current, head, upgrade
from app.storage.records import JobInput
from app.storage.schema import metadata
from app.storage.sqlite_store import SqliteJobStore

JOB_ID = "01890a5d-ac96-774b-bcce-b302099a8057".replace("-", "")

ROWS_OF_0001 = f"""
INSERT INTO jobs (id, plugin, status, durable, created_at, owner, priority, attempt, options)
VALUES ('{JOB_ID}', 'ocr', 'PENDING', 1, 1700000000000001, 'ann', 4, 0, '{{"a":1}}');
INSERT INTO job_inputs (job_id, position, role, media_type, blob, size)
VALUES ('{JOB_ID}', 0, 'image', 'image/png', '{"ab" * 32}', 77);
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "100% ordinary.db"


def _tables(file: Path) -> set[str]:
    with closing(sqlite3.connect(file)) as connection:
        return {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def test_the_migrations_make_exactly_the_tables_of_the_schema(file: Path) -> None:
    upgrade(f"sqlite:///{file}")
    with create_engine(f"sqlite:///{file}").connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        made = {row[0]: row[1] for row in connection.exec_driver_sql("SELECT name, sql FROM sqlite_master")}
    with create_engine("sqlite://").connect() as connection:
        metadata.create_all(connection)
        wanted = {row[0]: row[1] for row in connection.exec_driver_sql("SELECT name, sql FROM sqlite_master")}
    for name, sql in wanted.items():  # autogenerate does not compare the conditions of partial indexes
        if sql and name.startswith("ix_"):
            assert made[name] == sql


async def test_data_of_revision_0001_is_there_after_the_upgrade(file: Path) -> None:
    url = f"sqlite:///{file}"
    upgrade(url, "0001")
    assert current(url) == "0001"
    assert "plugin_overrides" not in _tables(file)
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(ROWS_OF_0001)
    async with await SqliteJobStore.open(url) as store:
        assert await store.inputs(JOB_ID) == [JobInput("image", "image/png", "ab" * 32, 77)]
        (job,) = await claim(store, {"ocr": 1})
        assert (job.id, job.owner, job.priority, job.options) == (JOB_ID, "ann", 4, {"a": 1})
        assert job.status is JobStatus.RUNNING
        await store.set_plugin_override("ocr", False, "why not")
    assert current(url) == head()


def test_a_second_upgrade_changes_nothing(file: Path) -> None:
    upgrade(f"sqlite:///{file}")
    before = file.read_bytes()
    upgrade(f"sqlite:///{file}")
    assert file.read_bytes() == before


def test_a_migration_that_fails_leaves_nothing_behind(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE plugin_overrides (mine)")
    with pytest.raises(StorageError):
        upgrade(f"sqlite:///{file}")
    assert _tables(file) == {"plugin_overrides"}
    assert current(f"sqlite:///{file}") is None


async def test_a_database_of_a_newer_version_is_refused_untouched(file: Path) -> None:
    upgrade(f"sqlite:///{file}")
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    with pytest.raises(SchemaTooNew):
        await SqliteJobStore.open(file)
    assert current(f"sqlite:///{file}") == "9999"


def test_of_several_that_migrate_at_once_all_succeed(file: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(upgrade, [f"sqlite:///{file}"] * 4))
    assert current(f"sqlite:///{file}") == head()


def test_a_database_can_be_migrated_by_hand(file: Path) -> None:
    command = [sys.executable, "-m", "app.storage.migrate"]
    assert subprocess.run([*command, f"sqlite:///{file}", "0001"], timeout=60, check=False).returncode == 0
    assert current(f"sqlite:///{file}") == "0001"
    refused = subprocess.run(command, timeout=60, check=False, capture_output=True, text=True)
    assert refused.returncode == 1
    assert refused.stderr.startswith("usage: ")
