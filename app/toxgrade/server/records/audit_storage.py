"""Values that SQLite holds in another form than they are written in, and reads as the same.

It keeps what is put into a column whatever the column's type: text as bytes, or a time with a ``T``
or an offset, which compares otherwise in the database's own order.
"""

from collections.abc import Iterator

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Date,
    Double,
    Integer,
    LargeBinary,
    Text,
    and_,
    func,
    or_,
    select,
    type_coerce,
)

from toxgrade.server.records.db.tables import Instant, metadata

_DAY = "-".join(("[0-9]" * 4, "[0-9]" * 2, "[0-9]" * 2))
_TIME = f"{_DAY} " + ":".join(["[0-9]" * 2] * 3)


def misstored(connection: Connection) -> Iterator[str]:
    """Yield tables with such values; on PostgreSQL there are none."""
    if connection.dialect.name != "sqlite":
        return
    for table in metadata.sorted_tables:
        written = [or_(column.is_(None), _is_as_written(column)) for column in table.c]
        count = connection.scalar(select(func.count()).select_from(table).where(~and_(*written)))
        if count:
            yield f"{count} rows of {table.name} hold a value in a form in which none is written"


def _is_as_written(column: Column[object]) -> ColumnElement[bool]:
    storage, text = func.typeof(column), type_coerce(column, Text)
    match column.type:
        case Boolean():
            return and_(storage == "integer", type_coerce(column, Integer).in_((0, 1)))
        case Integer():
            return storage == "integer"
        case Double():
            return storage.in_(("real", "integer"))
        case LargeBinary():
            return storage == "blob"
        case Date():
            return and_(storage == "text", text.op("GLOB")(_DAY))
        case Instant():
            is_time, after = text.op("GLOB")(f"{_TIME}*"), func.substr(text, 20, 1)
            return and_(storage == "text", is_time, after.in_(("", ".")), func.length(text) <= 26)
        case _:
            return storage == "text"
