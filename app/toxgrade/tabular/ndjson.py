"""NDJSON: one object per line, of our own columns or a FHIR R4 Observation of a bulk export."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import polars as pl

from toxgrade.criteria.reader import load
from toxgrade.errors import FileError
from toxgrade.fhir.elements import Element, object_of, objects, text_of
from toxgrade.fhir.observation import UNREADABLE, read_observation
from toxgrade.fhir.references import Entry
from toxgrade.fhir.specimen import Specimens
from toxgrade.grading.units import Names
from toxgrade.tabular.file_format import check_width

_ROWS_PER_PIECE = 50_000
_CELLS_PER_PIECE = 40 * _ROWS_PER_PIECE  # Each takes 16 bytes, filled or not.
_LONGEST_LINE = 1 << 24

_decoder = msgspec.json.Decoder(float_hook=str)  # A float stays as written: 1.80, not 1.8.


def scan_ndjson(path: Path, name: str, folder: Path) -> tuple[pl.LazyFrame, str]:
    """Return the objects' fields as String columns, stored in ``folder``, and what they were.

    Raises:
        FileError: names the line that is no object of texts and numbers, or no Observation.
    """
    pieces: list[Path] = []
    columns: dict[str, None] = {}
    rows: list[dict[str, str | None]] = []
    kinds = set()
    names = Names(load().analytes.values())

    def write_piece() -> None:
        piece = folder / f"{name}-{len(pieces)}.parquet"
        frame = pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String))
        frame.with_columns(pl.all().replace("", None)).write_parquet(piece)
        pieces.append(piece)
        rows.clear()

    for number, fields in _objects(path, name):
        kinds.add("resourceType" in fields)
        if len(kinds) > 1:
            raise FileError(f"{name}, line {number}: FHIR resources and other objects are mixed")
        try:
            found = observation_rows(fields, names) if True in kinds else [_texts(fields)]
        except ValueError as error:
            raise FileError(f"{name}, line {number}: {error}") from None
        for row in found:
            columns.update(dict.fromkeys(row))
        check_width(len(columns), name)
        rows += found
        if len(rows) >= _ROWS_PER_PIECE or len(rows) * len(columns) >= _CELLS_PER_PIECE:
            write_piece()
    if not columns and not rows:
        raise FileError(f"{name}: empty; expected a JSON object on each line")
    write_piece()
    schema = dict.fromkeys(columns, pl.String())
    frame = pl.scan_parquet(pieces, schema=schema, missing_columns="insert", glob=False)
    return frame, "FHIR Observations" if True in kinds else "objects"


def _objects(path: Path, name: str) -> Iterator[tuple[int, dict[str, object]]]:
    with path.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(_LONGEST_LINE), b""), 1):
            if len(line) == _LONGEST_LINE:
                raise FileError(f"{name}, line {number}: longer than {_LONGEST_LINE:,} bytes")
            if not line.strip():
                continue
            try:
                fields = _decoder.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                raise FileError(f"{name}, line {number}: not JSON") from None
            if not isinstance(fields, dict):
                raise FileError(f"{name}, line {number}: expected a JSON object")
            yield number, fields


def _texts(fields: dict[str, object]) -> dict[str, str | None]:
    """Return one row of our own columns; null means the same as an absent field."""
    row: dict[str, str | None] = {}
    for key, value in fields.items():
        match value:
            case None | str():
                row[key] = value
            case bool():
                row[key] = "true" if value else "false"
            case int() | float():
                row[key] = str(value)
            case _:
                raise ValueError(f"{key}: expected a text, a number or null")
    return row


def observation_rows(resource: Element, names: Names) -> list[dict[str, str | None]]:
    """Return the values of an Observation as rows of an export with our own columns.

    Raises:
        ValueError: it is another resource; the message has what was expected, never the content.
    """
    if resource.get("resourceType") != "Observation":
        raise ValueError("expected resourceType Observation")
    columns = ("analyte", "value", "unit", "lln", "uln", "limit_unit", "collected", "status",
               "source_id", "indicator")  # fmt: skip
    told = Specimens(()).of(resource, Entry("Observation", None, resource))
    shared = {"patient": _patient(resource), "specimen": names.one_specimen(told)}
    who = object_of(resource.get("subject")).get("reference")
    is_own = all(one.get("reference") == who for one in objects(resource.get("focus")))
    other = {} if is_own else {"value": UNREADABLE}  # It is a fetus's, a donor's or a device's.
    return [
        shared | {name: getattr(value, name) for name in columns} | other
        for value in read_observation(resource, names)
    ]


def _patient(resource: Element) -> str | None:
    """Return the id in the subject's ``Patient/123`` or ``urn:uuid:…``; None if there is none.

    Ids of other resources, also of contained ones, are none: they would join what is not one.
    """
    reference = text_of(object_of(resource.get("subject")).get("reference")) or ""
    kind, _, name = reference.partition("/_history/")[0].rpartition("/")
    if "#" in name or "?" in reference or kind.rpartition("/")[2] not in ("", "Patient"):
        return None
    return name.removeprefix("urn:uuid:") or None
