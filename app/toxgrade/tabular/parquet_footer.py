"""What polars does not tell of a Parquet file: which columns are of the former type INT96.

Source: apache/parquet-format, parquet.thrift; apache/thrift, doc/specs/thrift-compact-protocol.md.
"""

from pathlib import Path
from typing import TypeAlias

Field: TypeAlias = "bool | int | bytes | list[Field] | dict[int, Field]"
"""A value of Thrift's, as far as they are read."""

_SCHEMA = 2  # The number of a field of FileMetaData;
_TYPE, _NAME = 1, 4  # of fields of SchemaElement;
_INT96 = 3  # of a physical type.


def int96_columns(path: Path) -> set[str]:
    """Return the columns of type INT96 of a file that polars can scan.

    They are instants: Spark writes every TIMESTAMP so unless told otherwise. polars gives them as
    local timestamps.
    """
    with path.open("rb") as file:
        file.seek(-8, 2)
        length = int.from_bytes(file.read(4), "little")
        file.seek(-8 - length, 2)
        schema = _Compact(file.read(length)).struct(until=_SCHEMA)[_SCHEMA]
    assert isinstance(schema, list)
    elements = [element for element in schema if isinstance(element, dict)]
    names = [element[_NAME] for element in elements if element.get(_TYPE) == _INT96]
    return {name.decode() for name in names if isinstance(name, bytes)}


class _Compact:
    """A reader of Thrift's compact protocol, of as much of it as Parquet's schema needs."""

    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    def struct(self, until: int | None = None) -> dict[int, Field]:
        """Return the fields of a struct by number; not those behind the field ``until``."""
        fields: dict[int, Field] = {}
        number = 0
        while until not in fields and (head := self._take(1)[0]):
            number = number + (head >> 4) if head >> 4 else self._signed()
            fields[number] = self._value(head & 15)
        return fields

    def _value(self, kind: int) -> Field:
        match kind:
            case 1 | 2:
                return kind == 1
            case 3:
                return self._take(1)[0]
            case 4 | 5 | 6:
                return self._signed()
            case 8:
                return self._take(self._unsigned())
            case 9 | 10:
                head = self._take(1)[0]
                count = head >> 4 if head >> 4 < 15 else self._unsigned()
                return [self._value(head & 15) for _ in range(count)]
            case _:
                return self.struct()

    def _unsigned(self) -> int:
        number, shift = 0, 0
        while (byte := self._take(1)[0]) & 128:
            number, shift = number | (byte & 127) << shift, shift + 7
        return number | byte << shift

    def _signed(self) -> int:
        number = self._unsigned()
        return number >> 1 ^ -(number & 1)

    def _take(self, count: int) -> bytes:
        self._at += count
        return self._content[self._at - count : self._at]
