"""What is read in an entry of the audit: for verification, and to list it."""

from typing import Annotated, TypedDict

import msgspec

from toxgrade.server.records.db.transaction import Kept

_Spans = Annotated[str, msgspec.Meta(pattern=r"^(\d+(-\d+)?( |$))*$")]
_Hexadecimal = Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{2})*$")]


class ListedEntry(TypedDict):
    """An entry as it is listed: beside its number and hash, all that was written into it."""

    seq: int
    hash: str


class Entry(msgspec.Struct, frozen=True, gc=False):
    """What verification needs of an entry."""

    seq: int
    at: str
    study: str
    patient: str | None = None
    rows: dict[str, _Spans] = {}
    rows_sha256: str | None = None
    erased: dict[str, dict[int, _Hexadecimal]] = {}
    kept: Kept = {}
    schema: str | None = None
    graded_rows: dict[str, str] = {}


_decode = msgspec.json.Decoder(Entry).decode


def read_entry(entry: str) -> Entry | None:
    """Return an entry; None if it is none any more, in which case its hash is wrong too."""
    try:
        return _decode(entry)
    except (msgspec.MsgspecError, RecursionError, TypeError, UnicodeError):
        return None
