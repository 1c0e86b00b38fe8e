"""SQL for both databases: written with SQLAlchemy Core, compiled once for each to text and the order of parameters.

What is to be done is told as *steps*: a generator that yields commands and is sent the answers. Who drives it knows the
database; the steps do not, nor whether they are awaited. So one text of each rule serves SQLite, in a thread, and
PostgreSQL, on the event loop.
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import (
    BigInteger,
    ClauseElement,
    FromClause,
    String,
    Table,
    Text,
    bindparam,
    cast,
    func,
    insert,
    select,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql.asyncpg import dialect as postgres_dialect
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import ColumnElement
from sqlalchemy.sql.functions import FunctionElement

from app.storage.records import Change, Row

T = TypeVar("T")


class Database(StrEnum):
    SQLITE = "sqlite"
    POSTGRES = "postgresql"


class _WithHints(SQLiteCompiler):
    """SQLite's compiler leaves hints out; ours are INDEXED BY clauses."""

    def get_from_hint_text(self, table: FromClause, text: str | None) -> str | None:
        return text


@cache
def _dialect(database: Database) -> Dialect:
    if database is Database.POSTGRES:
        return postgres_dialect()  # type: ignore[no-untyped-call]
    made = sqlite.dialect(paramstyle="qmark")
    made.statement_compiler = _WithHints
    return made


class LeaseClock(ColumnElement[int]):
    """Now, in microseconds since 1970 UTC, by the clock that leases count by.

    With PostgreSQL it is the database's, so that the clocks of several servers do not matter; else the store's, as the
    parameter ``clock_now``.
    """

    type = BigInteger()
    inherit_cache = True


@compiles(LeaseClock, "postgresql")
def _database_clock(_element: LeaseClock, _compiler: SQLCompiler, **_: Any) -> str:
    return "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)"


@compiles(LeaseClock, "sqlite")
def _store_clock(_element: LeaseClock, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(bindparam("clock_now", type_=BigInteger()), **options)


class EachText(FunctionElement[str]):
    """The texts of a JSON array, as rows with one column ``value``."""

    name = "each_text"
    inherit_cache = True


class EachRow(FunctionElement[str]):
    """The arrays in a JSON array, as rows with one column ``value``, itself JSON."""

    name = "each_row"
    inherit_cache = True


@compiles(EachText, "sqlite")
@compiles(EachRow, "sqlite")
def _json_each(element: FunctionElement[str], compiler: SQLCompiler, **options: Any) -> str:
    return f"json_each({compiler.process(element.clause_expr.element, **options)})"


@compiles(EachText, "postgresql")
def _elements_as_text(element: EachText, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_array_elements_text(CAST({compiler.process(element.clause_expr.element, **options)} AS JSON))"


@compiles(EachRow, "postgresql")
def _elements(element: EachRow, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_array_elements(CAST({compiler.process(element.clause_expr.element, **options)} AS JSON))"


class Compiled(NamedTuple):
    """A statement for one database's driver, and its parameters' names in their order."""

    text: str
    names: tuple[str, ...]


class Statement:
    """One statement. ``packed``: a SELECT whose rows SQLite hands over as one, in JSON.

    SQLite's driver lets other threads run at each row, and then waits for its turn. ``names_transaction``: the last
    column of its rows is `transaction_id`.
    """

    __slots__ = ("_clause", "_compiled", "names_transaction", "packed")

    def __init__(self, clause: ClauseElement, *, packed: bool = False, names_transaction: bool = False) -> None:
        self._clause = clause
        self._compiled: dict[Database, Compiled] = {}
        self.packed = packed
        self.names_transaction = names_transaction

    def on(self, database: Database) -> Compiled:
        """Return its text for the database."""
        found = self._compiled.get(database)
        if found is None:
            found = self._compiled[database] = self._compile(database)
        return found

    def _compile(self, database: Database) -> Compiled:
        compiled = self._clause.compile(dialect=_dialect(database))
        assert isinstance(compiled, SQLCompiler)
        text = compiled.string
        if self.packed and database is Database.SQLITE:
            columns = ", ".join(f'"{name}"' for name in self._clause.selected_columns.keys())  # type: ignore[attr-defined]  # noqa: SIM118
            text = f"SELECT json_group_array(json_array({columns})) FROM ({text})"
        return Compiled(text, tuple(compiled.positiontup or ()))


class RawSql(Statement):
    """A statement without parameters that is the same on every database it is used on."""

    def __init__(self, sql: str) -> None:
        self._compiled = {database: Compiled(sql, ()) for database in Database}
        self.packed = self.names_transaction = False


def transaction_id() -> ColumnElement[str]:
    """Return PostgreSQL's name of the transaction: whoever has it can ask later whether it was committed."""
    return cast(func.pg_current_xact_id(), Text()).label("transaction")


class RowInsert:
    """INSERT of whole rows, in the order of the table's columns."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._texts: dict[int, str] = {}

    @property
    def width(self) -> int:
        """How many columns a row has."""
        return len(self._table.c)

    def on_sqlite(self, count: int = 1) -> str:
        """Return the text that inserts ``count`` rows, all their values one after the other as parameters."""
        found = self._texts.get(count)
        if found is None:
            clause = insert(self._table).values({column.name: bindparam(column.name) for column in self._table.c})
            head, values = str(clause.compile(dialect=_dialect(Database.SQLITE))).split(" VALUES ")
            found = self._texts[count] = f"{head} VALUES {', '.join([values] * count)}"
        return found

    def on_postgres(self, first: int) -> str:
        """Return the text that inserts as many rows as there are, from an array a column: parameters from ``first``."""
        dialect = _dialect(Database.POSTGRES)
        # Not VARCHAR(n): a cast to that cuts what is too long, which an INSERT refuses.
        types = ["TEXT" if isinstance(one.type, String) else one.type.compile(dialect) for one in self._table.c]
        arrays = ", ".join(f"CAST(${number} AS {kind}[])" for number, kind in enumerate(types, first))
        columns = ", ".join(column.name for column in self._table.c)
        return f"INSERT INTO {self._table.name} ({columns}) SELECT * FROM unnest({arrays})"

    def look_on_postgres(self, row: Row) -> tuple[str, Sequence[Any]]:
        """Return the question whether the row is there, and its parameters."""
        keys = [(column.name, value) for column, value in zip(self._table.c, row, strict=True) if column.primary_key]
        named = " AND ".join(f"{name} = ${number}" for number, (name, _) in enumerate(keys, 1))
        return f"SELECT EXISTS (SELECT FROM {self._table.name} WHERE {named})", [value for _, value in keys]


@cache
def inserts_on_postgres(inserts: tuple[RowInsert, ...]) -> str:
    """Return one statement that inserts into several tables, and answers with the transaction's name."""
    parts, first = [], 1
    for number, one in enumerate(inserts):
        parts.append(f"inserted_{number} AS ({one.on_postgres(first)})")
        first += one.width
    return f"WITH {', '.join(parts)} SELECT CAST(pg_current_xact_id() AS TEXT)"


@dataclass(frozen=True, slots=True)
class Query:
    """Execute the statement; what its parameters are called stands in it."""

    statement: Statement
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InsertRows:
    """Insert rows into tables, which may be none. Where rows refer to others, those are in a table before."""

    tables: Mapping[RowInsert, Sequence[Row]]


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell other servers of the changes, when the transaction is committed."""

    changes: Sequence[Change]


class Answer(NamedTuple):
    """The rows that came back, and how many were changed."""

    rows: Sequence[Sequence[Any]]
    changed: int = 0


Command = Query | InsertRows | Tell
Steps = Generator[Command, Answer, T]

EMPTY = Answer(())


def ids_parameter(name: str = "ids") -> Any:
    """Return the table of the texts in the parameter ``name``, which is a JSON array, for ``column.in_``."""
    given = EachText(bindparam(name, type_=Text())).table_valued("value")
    return select(given.c.value)
