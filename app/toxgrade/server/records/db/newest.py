"""What is newest among append-only rows, asked so that no plan of PostgreSQL's costs the square.

A database that was restored or never analysed knows nothing of its rows. As a join, the newest
versions of one patient's 5,000 results were then compared with each other, row by row: 16 s. A
subquery that yields one value is never planned as a join: it is a search in an index for each row.
"""

from sqlalchemy import ColumnElement, Table, func, select
from sqlalchemy.sql.elements import UnaryExpression


def newest_first(table: Table) -> UnaryExpression[int]:
    """Return the order of rows from the newest to the oldest, for the rows of one owner.

    By the bare id, PostgreSQL may walk back through the rows of all owners to the first of this
    one; the sum, which it has no index for, makes it read the owner's own rows.
    """
    return (table.c.id + 0).desc()


def is_newest_version(table: Table) -> ColumnElement[bool]:
    """Return the condition of the newest version of each of a patient's results or events."""
    other = table.alias("other")
    same = (other.c.patient_id == table.c.patient_id, other.c.identity == table.c.identity)
    newest = select(func.max(other.c.version)).where(*same).correlate(table).scalar_subquery()
    return table.c.version == newest


def is_current(grades: Table) -> ColumnElement[bool]:
    """Return the condition of the grades that no other grade supersedes."""
    later = grades.alias("later")
    superseding = select(later.c.id).where(later.c.supersedes_id == grades.c.id)
    return superseding.correlate(grades).scalar_subquery().is_(None)
