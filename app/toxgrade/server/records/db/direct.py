"""Statements that the database's driver runs itself: those that every group of panels takes.

They are written for SQLAlchemy, which compiles each once: types, quoting and the differences of
the databases stay its own. Its execution of a small one on SQLite took 20 us, where this takes 4,
and a single client's panel needs a dozen of them.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn, Self

from sqlalchemy import (
    ARRAY,
    Boolean,
    Connection,
    Dialect,
    Select,
    String,
    Text,
    TextClause,
    TypeDecorator,
    UpdateBase,
    bindparam,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import ColumnElement
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

Rows = list[tuple[Any, ...]]
_Convert = Callable[[Any], Any]


class Texts(TypeDecorator[Sequence[str]]):
    """The type of a parameter that is a list of names: an array, or on SQLite its JSON."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else ARRAY(String))

    def process_bind_param(self, value: Iterable[str] | None, dialect: Dialect) -> Any:
        texts = list(value or ())
        if dialect.name != "sqlite":
            return texts
        # A text in JSON ends for SQLite at its first NUL, and would be another name.
        return json.dumps([text for text in texts if "\0" not in text])


class IsOneOf(FunctionElement[bool]):
    """The condition that a column equals one of ``Texts``, however many these are."""

    type = Boolean()
    inherit_cache = True

    def __init__(self, column: ColumnElement[str], parameter: str) -> None:
        super().__init__(column, bindparam(parameter, type_=Texts))

    def self_group(self, against: object = None) -> Self:
        """Return the condition itself: SQLite uses no index where its truth is compared with 1."""
        return self


@compiles(IsOneOf, "sqlite")
def _in_json(element: IsOneOf, compiler: SQLCompiler, **options: Any) -> str:
    column, texts = (compiler.process(part, **options) for part in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({texts}))"


@compiles(IsOneOf, "postgresql")
def _in_array(element: IsOneOf, compiler: SQLCompiler, **options: Any) -> str:
    column, texts = (compiler.process(part, **options) for part in element.clauses)
    return f"{column} = ANY ({texts})"


class Prepared:
    """A statement that is compiled once for each database."""

    def __init__(self, statement: Select[Any] | UpdateBase | TextClause, *columns: str) -> None:
        """Take a statement; ``columns`` are those that an INSERT or UPDATE sets."""
        self._statement, self._columns = statement, columns
        self._compiled: dict[str, _Compiled] = {}

    def rows(self, connection: Connection, parameters: Mapping[str, Any] | None = None) -> Rows:
        """Run it in the connection's transaction, and return the rows that it answers.

        Raises:
            SQLAlchemyError: the database refuses it; the transaction cannot go on.
        """
        compiled = self._for(connection.dialect)
        found = execute(connection, compiled.text, compiled.bind(parameters or {}))
        return compiled.read(found) if compiled.converts else found

    def first(
        self, connection: Connection, parameters: Mapping[str, Any] | None = None
    ) -> tuple[Any, ...] | None:
        """Return the first of ``rows``; None: there is none."""
        return next(iter(self.rows(connection, parameters)), None)

    def many(self, connection: Connection, parameters: Iterable[Mapping[str, Any]]) -> None:
        """Run it with each of the parameters; raise what ``rows`` raises."""
        compiled = self._for(connection.dialect)
        execute_many(connection, compiled.text, [*map(compiled.bind, parameters)])

    def _for(self, dialect: Dialect) -> "_Compiled":
        found = self._compiled.get(dialect.name)
        if found is None:
            found = _Compiled(self._statement, self._columns, dialect)
            self._compiled[dialect.name] = found
        return found


class _Compiled:
    """A statement as a driver takes it, and what its parameters and results go through."""

    def __init__(
        self,
        statement: Select[Any] | UpdateBase | TextClause,
        columns: Sequence[str],
        dialect: Dialect,
    ) -> None:
        compiled: Any = statement.compile(dialect=dialect, column_keys=[*columns] or None)
        self.text = str(compiled)
        self._order: Sequence[str] | None = compiled.positiontup
        self._defaults: Mapping[str, Any] = compiled.params
        binds = {name: bind.type.dialect_impl(dialect) for name, bind in compiled.binds.items()}
        self._conversions: dict[str, _Convert] = {
            name: convert
            for name, kind in binds.items()
            if (convert := kind.bind_processor(dialect)) is not None
        }
        kinds = [column.type for column in statement.selected_columns] if (
            isinstance(statement, Select)
        ) else []  # fmt: skip
        self._of_columns: list[_Convert | None] = [
            kind.dialect_impl(dialect).result_processor(dialect, None) for kind in kinds
        ]
        self.converts = any(self._of_columns)

    def bind(self, parameters: Mapping[str, Any]) -> Any:
        """Return parameters as the driver takes them."""
        values = {**self._defaults, **parameters}
        for name, convert in self._conversions.items():
            values[name] = convert(values[name])
        return values if self._order is None else [values[name] for name in self._order]

    def read(self, rows: Rows) -> Rows:
        """Return the rows of a driver as SQLAlchemy reads them."""
        return [
            tuple(
                value if convert is None else convert(value)
                for value, convert in zip(row, self._of_columns, strict=True)
            )
            for row in rows
        ]


def execute(connection: Connection, statement: str, parameters: Any = ()) -> Rows:
    """Run a driver's statement in the connection's transaction, and return its rows.

    Raises:
        SQLAlchemyError: the database refuses it; the transaction cannot go on.
    """
    _ensure_begun(connection)
    return run(connection, "execute", statement, parameters)


def execute_many(connection: Connection, statement: str, parameters: Sequence[Any]) -> None:
    """Run a driver's statement with each of the parameters; raise what ``execute`` raises."""
    _ensure_begun(connection)
    run(connection, "executemany", statement, parameters)


def _ensure_begun(connection: Connection) -> None:
    if not connection.in_transaction():
        connection.begin()


def run(connection: Connection, how: str, statement: str, parameters: Any = ()) -> Rows:
    """Run a statement by a method of the driver's cursor; raise what ``execute`` raises."""
    cursor: Any = None
    try:
        cursor = connection.connection.cursor()
        getattr(cursor, how)(statement, parameters)
        rows: Rows = cursor.fetchall() if cursor.description else []
    except connection.dialect.loaded_dbapi.Error as error:
        refuse(connection, statement, error, cursor)
    cursor.close()
    return rows


def refuse(
    connection: Connection, statement: str, error: Exception, cursor: Any = None
) -> NoReturn:
    """Raise a driver's error as SQLAlchemy does, which drops a connection that is lost."""
    connection._handle_dbapi_exception(error, statement, None, cursor, None)
