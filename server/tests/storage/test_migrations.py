import asyncio
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, NullPool, create_engine
from sqlalchemy.ext.asyncio import create_async_engine
from support.postgres_server import PostgresServer
from support.stores import Place, PostgresPlace, claim, end, execute

import app.storage.migrations
from app.governance.job_lifecycle import JobStatus
from app.storage.errors import SchemaTooNew, StorageError
from app.storage.migrate import current, head, upgrade
from app.storage.records import JobFilter, JobInput
from app.storage.schema import metadata
from app.storage.sqlite_store import SqliteJobStore

WAITING, LEFT, FAILED, STRANGE = (f"01890a5dac96774bbcceb302099a805{number}" for number in range(4))
_COLUMNS = "id, plugin, status, durable, created_at, owner, priority, attempt, options, error, result, waiting_ms"

ROWS_OF_0001 = [
    f"INSERT INTO jobs ({_COLUMNS}) VALUES ('{WAITING}', 'ocr', 'PENDING', TRUE, 1700000000000001, 'ann', 4, 0,"
    """ '{"a":1}', NULL, NULL, NULL)""",
    f"INSERT INTO jobs ({_COLUMNS}) VALUES ('{LEFT}', 'ocr', 'RUNNING', TRUE, 1700000000000002, NULL, 0, 1,"
    " '{}', NULL, NULL, NULL)",
    f"INSERT INTO jobs ({_COLUMNS}) VALUES ('{FAILED}', 'ocr', 'FAILED', FALSE, 1700000000000003, NULL, 0, 0,"
    """ '{}', '{"details":{"code":"plugin_failed"}}', NULL, NULL)""",
    f"INSERT INTO jobs ({_COLUMNS}) VALUES ('{STRANGE}', 'faces', 'SUCCESS', FALSE, 1700000000000004, NULL, 0, 0,"
    """ '{}', '{"n":1}', '{"a":[1,"ü"]}', 1.25)""",
    "INSERT INTO job_inputs (job_id, position, role, media_type, blob, size)"
    f" VALUES ('{WAITING}', 0, 'image', 'image/png', '{'ab' * 32}', 77)",
]
ROWS_OF_0002 = [
    "INSERT INTO plugin_overrides (plugin, enabled, reason, changed_at) VALUES ('ocr', TRUE, 'old', 1700000000000005)"
]


def url_of(place: Place) -> str:
    return place.url if isinstance(place, PostgresPlace) else f"sqlite:///{place.file}"


def execute_on(place: Place, sql: str) -> None:
    if isinstance(place, PostgresPlace):
        execute(place.url, sql)
        return
    with closing(sqlite3.connect(place.file)) as connection:
        connection.execute(sql)
        connection.commit()


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


@pytest.mark.parametrize("revision", ["0001", "0002"])
async def test_data_of_every_earlier_revision_is_there_after_the_upgrade(place: Place, revision: str) -> None:
    url = url_of(place)
    if not isinstance(place, PostgresPlace):
        place.file.parent.mkdir()
    await asyncio.to_thread(upgrade, url, revision)
    assert await asyncio.to_thread(current, url) == revision
    on_postgres = isinstance(place, PostgresPlace)
    true, false = ("true", "false") if on_postgres else ("1", "0")
    rows = [line.replace("TRUE", true).replace("FALSE", false) for line in ROWS_OF_0001]
    rows += [line.replace("TRUE", true) for line in ROWS_OF_0002] if revision == "0002" else []
    for sql in rows:
        await asyncio.to_thread(execute_on, place, sql)

    async with await place.open() as store:
        assert await store.inputs(WAITING) == [JobInput("image", "image/png", "ab" * 32, 77)]
        old = await store.get(FAILED)
        assert old is not None
        assert (old.status, old.error_code) == (JobStatus.FAILED, "plugin_failed")
        assert old.error == {"details": {"code": "plugin_failed"}}
        assert (old.blocked, old.after_rule, old.cancel_requested, old.retry) == (0, "success", False, None)
        strange = await store.get(STRANGE)
        assert strange is not None
        assert (strange.result, strange.error_code, strange.waiting_ms) == ({"a": [1, "ü"]}, None, 1.25)
        assert [job.id for job in (await store.list(JobFilter(error_code="plugin_failed"))).jobs] == [FAILED]
        recovery = await store.recover(lambda job: {"details": {"code": "interrupted"}})
        assert recovery.requeued == [LEFT]
        claimed = await claim(store, {"ocr": 5})
        assert [(job.id, job.owner, job.priority, job.options) for job in claimed] == [
            (WAITING, "ann", 4, {"a": 1}),
            (LEFT, None, 0, {}),
        ]
        await end(store, LEFT, attempt=2)
        overrides = await store.plugin_overrides()
        assert {name: one.reason for name, one in overrides.items()} == ({"ocr": "old"} if revision == "0002" else {})
        await store.set_plugin_override("ocr", False, "why not")
    assert await asyncio.to_thread(current, url) == head()


async def test_the_migrations_make_the_tables_of_the_schema_on_postgresql(postgres: PostgresServer) -> None:
    migrated, made = PostgresPlace(postgres), PostgresPlace(postgres)
    await asyncio.to_thread(upgrade, migrated.url)

    def create(connection: Connection) -> None:
        metadata.create_all(connection)

    def difference(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, metadata))

    for url, function in ((migrated.url, difference), (made.url, create)):
        engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://"), poolclass=NullPool)
        async with engine.begin() as connection:
            assert not await connection.run_sync(function)
        await engine.dispose()
    indexes = (
        "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version' ORDER BY 1"
    )
    columns = (
        "SELECT table_name, column_name, column_default, is_nullable, data_type FROM information_schema.columns"
        " WHERE table_schema = 'public' AND table_name <> 'alembic_version' ORDER BY 1, 2"
    )
    for sql in (indexes, columns):
        assert execute(migrated.url, sql) == execute(made.url, sql)


def test_the_newest_revision_is_alembics_head(file: Path) -> None:
    scripts = ScriptDirectory(str(Path(app.storage.migrations.__file__).parent))
    assert head() == scripts.get_current_head()
    upgrade(f"sqlite:///{file}")
    assert current(f"sqlite:///{file}") == head()


def test_a_database_that_is_up_to_date_is_opened_without_alembic(file: Path) -> None:
    upgrade(f"sqlite:///{file}")
    opening = f"import sys; from app.storage.migrate import upgrade; upgrade({f'sqlite:///{file}'!r})"
    found = [sys.executable, "-c", f"{opening}; sys.exit('alembic' in sys.modules)"]
    assert subprocess.run(found, timeout=60, check=False).returncode == 0


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
