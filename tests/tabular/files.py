"""Files as laboratories and trial systems write them, for the tests to read."""

import gzip
import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import polars as pl
import pyreadstat
import zstandard

Cell = str | float | None
Rows = Sequence[Sequence[Cell]]

HEADER = ("patient", "collected", "analyte", "value", "unit", "lln", "uln")
ROWS: Rows = (
    ("P1", "2011-01-20", "bilirubin", "0.9", "mg/dL", "0.2", "1.2"),
    ("P1", "2011-04-23", "TBIL", "1.8", "mg/dL", "0.2", "1.2"),
    ("P1", "2011-04-23T08:30", "WBC", "2.8", "K/uL", "4", "10"),
    ("Müller-2", "2011-08-01", "NA", "<135", "mmol/L", None, None),
)


def text(rows: Rows = ROWS, delimiter: str = ",", header: Sequence[str] = HEADER) -> str:
    lines = [delimiter.join("" if cell is None else str(cell) for cell in row) for row in rows]
    return "\n".join([delimiter.join(header), *lines]) + "\n"


def xlsx(path: Path, sheets: dict[str, Rows]) -> None:
    """A workbook with the parts that a reader needs; texts inline, floats as numbers."""
    names = list(sheets)
    parts = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/'
        'content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-'
        'package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/>'
        '<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-office'
        'document.spreadsheetml.sheet.main+xml"/></Types>',
        "_rels/.rels": _relations({"workbook": ("officeDocument", "xl/workbook.xml")}),
        "xl/_rels/workbook.xml.rels": _relations(
            {f"s{i}": ("worksheet", f"worksheets/{i}.xml") for i in range(len(names))}
        ),
        "xl/workbook.xml": '<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/'
        'main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships">'
        "<sheets>"
        + "".join(
            f'<sheet name="{name}" sheetId="{i + 1}" r:id="s{i}"/>' for i, name in enumerate(names)
        )
        + "</sheets></workbook>",
    }
    for i, rows in enumerate(sheets.values()):
        parts[f"xl/worksheets/{i}.xml"] = _sheet(rows)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def _relations(targets: dict[str, tuple[str, str]]) -> str:
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    inside = "".join(
        f'<Relationship Id="{key}" Type="{office}/{kind}" Target="{target}"/>'
        for key, (kind, target) in targets.items()
    )
    package = "http://schemas.openxmlformats.org/package/2006/relationships"
    return f'<Relationships xmlns="{package}">{inside}</Relationships>'


def _sheet(rows: Rows) -> str:
    lines = []
    for number, row in enumerate(rows, 1):
        cells = "".join(_cell(cell, f"{chr(65 + i)}{number}") for i, cell in enumerate(row))
        lines.append(f'<row r="{number}">{cells}</row>')
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    return f'<worksheet xmlns="{main}"><sheetData>{"".join(lines)}</sheetData></worksheet>'


def _cell(cell: Cell, place: str) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float):
        return f'<c r="{place}"><v>{cell!r}</v></c>'
    if cell.startswith("="):  # a formula and the value it last had
        formula, _, value = cell[1:].partition("->")
        return f'<c r="{place}"><f>{formula}</f><v>{value}</v></c>'
    return f'<c r="{place}" t="inlineStr"><is><t>{escape(cell)}</t></is></c>'


def _frame() -> pl.DataFrame:
    return pl.DataFrame(ROWS, schema=dict.fromkeys(HEADER, pl.String), orient="row")


def _typed_parquet(path: Path) -> None:
    """As a data frame is saved: numbers as numbers, but where a comparator forbids it."""
    limits = pl.col("lln", "uln").cast(pl.Float64).fill_null(float("nan"))
    _frame().with_columns(limits).write_parquet(path)


def _xpt(path: Path) -> None:
    columns = {name: ["" if cell is None else cell for cell in _frame()[name]] for name in HEADER}
    columns |= {
        name: [None if cell is None else float(cell) for cell in _frame()[name]]
        for name in ("lln", "uln")
    }
    frame = pl.DataFrame(columns).to_pandas()
    frame.columns = [name.upper()[:8] for name in HEADER]
    pyreadstat.write_xport(frame, path, table_name="LB", file_format_version=5)


def _bytes(content: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(content)

    return write


EVERY_FORMAT: dict[str, Callable[[Path], None]] = {
    "labs.csv": _bytes(text().encode()),
    "windows.csv": _bytes(b"\xef\xbb\xbf" + text().replace("\n", "\r\n").encode()),
    "excel.csv": _bytes(text(delimiter=";").encode()),
    "unicode.csv": _bytes(text(delimiter="\t").encode("utf-16")),
    "labs.csv.gz": _bytes(gzip.compress(text().encode())),
    "labs.csv.zst": _bytes(zstandard.compress(text().encode())),
    "labs.tsv": _bytes(text(delimiter="\t").encode()),
    "labs.tsv.gz": _bytes(gzip.compress(text(delimiter="\t").encode())),
    "labs.parquet": lambda path: _frame().write_parquet(path),
    "typed.parquet": _typed_parquet,
    "labs.ndjson": lambda path: _frame().write_ndjson(path),
    "labs.ndjson.gz": _bytes(
        gzip.compress("\n".join(json.dumps(row) for row in _frame().to_dicts()).encode() + b"\n\n")
    ),
    "labs.xlsx": lambda path: xlsx(path, {"Notes": [], "Labs": [HEADER, *ROWS]}),
    "labs.xpt": _xpt,
}
"""The same rows in every format; ``labs.xpt`` has its columns' names in eight capitals."""
