"""Hostile files: each format that is read, mapping files, and the forms that they are sent in."""

import asyncio
import gzip
import json
import os
import tempfile
import zipfile
from collections.abc import AsyncGenerator, Callable, Mapping
from functools import cache
from pathlib import Path

import pandas as pd
import polars as pl
import pyreadstat
from starlette.datastructures import Headers

from benchmarks.doubling.case import MIB, Case, Sent
from toxgrade.server.http.multipart import write_form
from toxgrade.tabular.layouts import recognise
from toxgrade.tabular.mapping_file import mapping
from toxgrade.tabular.open_file import open_table
from toxgrade.tabular.read_options import DEFAULT_OPTIONS

HEADER = "patient,collected,analyte,value,unit,lln,uln"
_ROW = "P1,2011-04-23,ALT,45,U/L,,40\n"


@cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix=f"doubling-{os.getpid()}-"))


def _file(suffix: str, build: Callable[[int], str | bytes]) -> Callable[[int], Path]:
    """What writes n's content into a file of this suffix."""

    def written(n: int) -> Path:
        content = build(n)
        path = _folder() / f"labs{suffix}"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return written


def opened(path: Path) -> None:
    """Open a file, find its layout and read all its rows."""
    with tempfile.TemporaryDirectory() as folder:
        table = open_table(path, DEFAULT_OPTIONS, Path(folder))
        layout = recognise(table.columns, table.name, DEFAULT_OPTIONS)
        for piece in table.chunks(layout.reads):
            layout.rows(piece)


_CSV: dict[str, Callable[[int], str | bytes]] = {
    "n rows": lambda n: HEADER + "\n" + _ROW * n,
    "n columns": lambda n: ",".join(f"c{i}" for i in range(n)) + "\n",
    "n columns without a name": lambda n: HEADER + "," * n + "\n" + _ROW,
    "n columns of one name": lambda n: HEADER + ",x" * n + "\n",
    "n fields in a row": lambda n: HEADER + "\n" + "x," * n,
    "n delimiters of each kind": lambda n: ",;\t|" * n + "\n",
    "n quotes": lambda n: HEADER + "\n" + '"' * n,
    "n quoted breaks": lambda n: HEADER + "\nP1,2011-04-23,ALT,\"" + "\n" * n + '",U/L,,40\n',
    "n rows with a break": lambda n: HEADER + "\n" + 'P1,2011-04-23,"A\nLT",45,U/L,,40\n' * n,
    "n quotes in the header": lambda n: '"' * 2 * n + "\n" + _ROW,
    "n rows that are too long": lambda n: HEADER + "\n" + "1,2,3,4,5,6,7,8\n" * n,
    "a line of n characters": lambda n: HEADER + "\n" + "x" * n,
    "n empty lines": lambda n: HEADER + "\n" + "\n" * n,
    "n carriage returns": lambda n: HEADER + "\n" + "\r" * n,
    "n carriage returns in the header": lambda n: HEADER + "\r" * n + "\n" + _ROW,
    "n bytes that are no UTF-8": lambda n: HEADER.encode() + b"\n" + b"\xff" * n,
}  # fmt: skip
_NDJSON: dict[str, Callable[[int], str | bytes]] = {
    "n rows": lambda n: (json.dumps(dict.fromkeys(HEADER.split(","), "1")) + "\n") * n,
    "n rows, each with a field of its own": lambda n: "".join(
        json.dumps(dict.fromkeys((*HEADER.split(","), f"k{i}"), "1")) + "\n" for i in range(n)),
    "n objects": lambda n: '{"patient":"1"}\n' * n,
    "n fields of one object": lambda n: "{" + ",".join(f'"k{i}":1' for i in range(n)) + "}",
    "n objects, each with a field of its own": lambda n: "".join(f'{{"k{i}":1}}\n' for i in range(n)),
    "one field, doubled n times": lambda n: "{" + ",".join(['"k":1'] * n) + "}",
    "n levels": lambda n: '{"k":' + "[" * n,
    "n digits": lambda n: '{"value":' + "1" * n + "}",
    "n empty lines": lambda n: "\n" * n,
    "an Observation of n components": lambda n: '{"resourceType":"Observation","component":['
        + ",".join(['{"code":{"coding":[{"code":"1975-2"}]}}'] * n) + "]}",
}  # fmt: skip


def _sheet(cells: str) -> str:
    return f'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{cells}</sheetData></worksheet>'


def _workbook(sheets: list[str], texts: str = "", styles: str = "") -> bytes:
    path = _folder() / "book.zip"
    space = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    packages = "http://schemas.openxmlformats.org/package/2006"
    names = "".join(
        f'<sheet name="s{i}" sheetId="{i + 1}" r:id="r{i}"/>' for i in range(len(sheets))
    )
    links = "".join(
        f'<Relationship Id="r{i}" Type="{kind}/worksheet" Target="worksheets/s{i}.xml"/>'
        for i in range(len(sheets))
    )
    links += f'<Relationship Id="t" Type="{kind}/sharedStrings" Target="sharedStrings.xml"/>'
    links += f'<Relationship Id="y" Type="{kind}/styles" Target="styles.xml"/>'
    with zipfile.ZipFile(path, "w") as book:
        book.writestr("[Content_Types].xml", f'<Types xmlns="{packages}/content-types"/>')
        book.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{packages}/relationships"><Relationship Id="b" Type="{kind}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        )
        book.writestr("xl/workbook.xml", f"<workbook {space}><sheets>{names}</sheets></workbook>")
        book.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships xmlns="{packages}/relationships">{links}</Relationships>',
        )
        book.writestr("xl/sharedStrings.xml", f"<sst {space}>{texts}</sst>")
        book.writestr("xl/styles.xml", f"<styleSheet {space}>{styles}</styleSheet>")
        for i, sheet in enumerate(sheets):
            book.writestr(f"xl/worksheets/s{i}.xml", _sheet(sheet))
    return path.read_bytes()


def _header_row() -> str:
    cells = "".join(f'<c t="inlineStr"><is><t>{name}</t></is></c>' for name in HEADER.split(","))
    return f"<row>{cells}</row>"


_XLSX: dict[str, Callable[[int], bytes]] = {
    "n rows": lambda n: _workbook([_header_row() + "<row><c><v>1</v></c></row>" * n]),
    "n shared texts": lambda n: _workbook([_header_row()], "<si><t>x</t></si>" * n),
    "n cells of one shared text": lambda n: _workbook(
        [_header_row() + '<row><c t="s"><v>0</v></c></row>' * n], f"<si><t>{'x' * 1000}</t></si>"),
    "n cells of one shared text of n characters": lambda n: _workbook(
        [_header_row() + '<row><c t="s"><v>0</v></c></row>' * n], f"<si><t>{'x' * n}</t></si>"),
    "n cells of a shared text of n runs": lambda n: _workbook(
        [_header_row() + '<row><c t="s"><v>0</v></c></row>' * n], f"<si>{'<r><t>x</t></r>' * n}</si>"),
    "n cells of n shared texts, n / 8 characters the first": lambda n: _workbook(
        [_header_row() + "".join(f'<row><c t="s"><v>{i}</v></c></row>' for i in range(n))],
        f"<si><t>{'x' * (n // 8)}</t></si>" + "<si><t>x</t></si>" * n),
    "n characters of a tag": lambda n: _workbook([_header_row() + f'<row a="{"x" * n}"/>']),
    "n digits of a text's number": lambda n: _workbook(
        [_header_row() + f'<row><c t="s"><v>{"0" * n}</v></c></row>'], f"<si><t>{'x' * 2000}</t></si>"),
    "n rows of n sheets that are one part": lambda n: _sheets_of_one_part(n),
    "n sheets": lambda n: _workbook([_header_row(), *[""] * n]),
    "n styles": lambda n: _workbook([_header_row()], styles="<cellXfs>" + '<xf numFmtId="14"/>' * n + "</cellXfs>"),
    "n formats": lambda n: _workbook([_header_row()], styles="<numFmts>" + "".join(
        f'<numFmt numFmtId="{i}" formatCode="yy"/>' for i in range(n)) + "</numFmts>"),
    "n columns": lambda n: _workbook(["<row>" + "".join(f"<c><v>{i}</v></c>" for i in range(min(n, 16_000))) + "</row>"]),
    "n parts": lambda n: _workbook([_header_row(), *["<row/>"] * n]),
}  # fmt: skip


def _sheets_of_one_part(n: int) -> bytes:
    path = _folder() / "sheets.zip"
    path.write_bytes(_workbook(["", "<row/>" * n]))
    with zipfile.ZipFile(path) as book:
        parts = {name: book.read(name) for name in book.namelist()}
    more = "".join(f'<sheet name="t{i}" sheetId="{i + 3}" r:id="r1"/>' for i in range(n))
    name = "xl/workbook.xml"
    parts[name] = parts[name].replace(b"</sheets>", f"{more}</sheets>".encode())
    with zipfile.ZipFile(path, "w") as book:
        for name, content in parts.items():
            book.writestr(name, content)
    return path.read_bytes()


def _parquet(frame: pl.DataFrame) -> bytes:
    path = _folder() / "frame.parquet"
    frame.write_parquet(path, compression="uncompressed")  # Else no size tells n.
    return path.read_bytes()


def _rows(n: int) -> pl.DataFrame:
    return pl.DataFrame({name: ["1"] * n for name in HEADER.split(",")})


_PARQUET: dict[str, Callable[[int], bytes]] = {
    "n rows": lambda n: _parquet(pl.DataFrame({c: [f"{i}" for i in range(n)] for c in HEADER.split(",")})),
    "n columns": lambda n: _parquet(pl.DataFrame({f"c{i}": ["1"] for i in range(min(n, 4000))})),
    "n timestamps' columns": lambda n: _parquet(pl.DataFrame({f"c{i}": [1] for i in range(min(n, 4000))},
        schema=dict.fromkeys([f"c{i}" for i in range(min(n, 4000))], pl.Datetime("ns")))),
    "n nested fields": lambda n: _parquet(pl.DataFrame({"a": [{f"f{i}": 1 for i in range(min(n, 4000))}]})),
    "a text of n characters": lambda n: _parquet(pl.DataFrame({c: ["x" * n] for c in HEADER.split(",")})),
}  # fmt: skip


def _record(text: bytes) -> bytes:
    return text.ljust(80)[:80]


_LIBRARY = _record(
    b"HEADER RECORD*******LIBRARY HEADER RECORD!!!!!!!000000000000000000000000000000"
)
_MEMBER = _record(b"HEADER RECORD*******MEMBER  HEADER RECORD!!!!!!!000000000000000001600000000140")
_DESCRIBED = _record(
    b"HEADER RECORD*******DSCRPTR HEADER RECORD!!!!!!!000000000000000000000000000000"
)


_SDTM = "USUBJID LBDTC LBTESTCD LBORRES LBORRESU LBORNRLO LBORNRHI"


def _transport(n: int) -> bytes:
    path = _folder() / "frame.xpt"
    frame = pd.DataFrame({name: ["1"] * n for name in _SDTM.split()})
    pyreadstat.write_xport(frame, path, table_name="LB", file_format_version=5)
    return path.read_bytes()


_XPT: dict[str, Callable[[int], bytes]] = {
    "n rows": _transport,
    "n empty records behind a row": lambda n: _transport(1) + _record(b"") * n,
    "n headers of members behind a row": lambda n: _transport(1) + (_MEMBER + _DESCRIBED) * n,
    "n members": lambda n: _LIBRARY + _record(b"") * 2 + (_MEMBER + _DESCRIBED + _record(b"SAS     LB")) * n,
    "n members' headers": lambda n: _LIBRARY + _record(b"") * 2 + _MEMBER * n,
    "n headers out of place": lambda n: _LIBRARY + (b" " + _MEMBER) * 80 * (n // 80 + 1),
    "n empty records": lambda n: _LIBRARY + _record(b"") * n,
}  # fmt: skip
_TOML: dict[str, Callable[[int], str]] = {
    "n columns": lambda n: "[columns]\n" + "".join(f'c{i} = "x"\n' for i in range(n)),
    "n wide columns": lambda n: '[[wide]]\ncolumn = "a"\nanalyte = "ALT"\n' * n,
    "n names": lambda n: "[analytes]\n" + "".join(f'c{i} = "ALT"\n' for i in range(n)),
    "n levels": lambda n: "a = " + "[" * n,
    "n dots": lambda n: "a" + ".a" * n + " = 1",
    "n tables": lambda n: "".join(f"[a{i}.b.c]\n" for i in range(n)),
    "n dots in n tables": lambda n: "".join(f"[a{'.b' * 20}.c{i}]\n" for i in range(n)),
    "n digits": lambda n: "a = " + "1" * n,
    "n quotes": lambda n: 'a = """' + '\\"' * n,
}  # fmt: skip


def _mapped(text: str) -> None:
    mapping([("mapping", text.encode())]).columns.site_names([])


_BOUNDARY = "b" * 20
_PART = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
_FORMS: dict[str, Callable[[int], str]] = {
    "a file of n bytes": lambda n: _PART % ("labs", '; filename="x.csv"', "x" * n),
    "n parts": lambda n: _PART % ("a", "", "b") * n,
    "n files": lambda n: _PART % ("a", '; filename="x.csv"', "b") * n,
    "a field of n bytes": lambda n: _PART % ("a", "", "x" * n),
    "n headers of a part": lambda n: f"--{_BOUNDARY}\r\n" + "a: b\r\n" * n + "\r\n\r\n",
    "a header of n bytes": lambda n: f"--{_BOUNDARY}\r\na: " + "b" * n,
    "n parameters of a part": lambda n: _PART % ("a", "; x=y" * n, "b"),
    "n quotes of a name": lambda n: _PART % ("a" + '\\"' * n, "", "b"),
    "n beginnings of a boundary": lambda n: _PART % ("labs", '; filename="x"', f"\r\n--{_BOUNDARY[:-1]}" * n),
    "n carriage returns": lambda n: _PART % ("labs", '; filename="x"', "\r" * n),
    "n dashes": lambda n: "-" * n,
    "n line ends before": lambda n: "\r\n" * n,
}  # fmt: skip


def _form(build: Callable[[int], str]) -> Callable[[int], Sent]:
    return lambda n: Sent(f"{build(n)}--{_BOUNDARY}--\r\n".encode(), len(build(n)))


def _sent_form(sent: Sent) -> None:
    async def blocks() -> AsyncGenerator[bytes, None]:
        for at in range(0, len(sent.content), MIB):
            yield sent.content[at : at + MIB]

    async def write() -> None:
        kind = f"multipart/form-data; boundary={_BOUNDARY}"
        with tempfile.TemporaryDirectory() as folder:
            await write_form(Headers({"content-type": kind}), blocks(), Path(folder))

    asyncio.run(write())


FORMATS: dict[str, tuple[str, Mapping[str, Callable[[int], str | bytes]]]] = {
    "csv": ("CSV", _CSV), "ndjson": ("NDJSON", _NDJSON), "xlsx": ("XLSX", _XLSX),
    "parquet": ("Parquet", _PARQUET), "xpt": ("XPT", _XPT),
}  # fmt: skip


def _packed(n: int) -> Sent:
    """A compressed file; limits and memory are those of what it becomes."""
    rows = (HEADER + "\n" + _ROW * n).encode()
    return Sent(_file(".csv.gz", lambda _: gzip.compress(rows, 9))(n), len(rows))


_AS_ANOTHER = (
    "CSV: n columns without a name", "CSV: n quotes", "CSV: n quoted breaks",
    "CSV: n quotes in the header", "CSV: n rows that are too long",
    "CSV: n carriage returns in the header", "CSV: n bytes that are no UTF-8",
    "CSV: n columns of one name", "NDJSON: n objects", "NDJSON: n fields of one object",
    "NDJSON: n digits", "NDJSON: n levels", "NDJSON: n empty lines",
    "XPT: n headers of members behind a row", "XPT: n empty records behind a row", "NDJSON: n objects, each with a field of its own", "XLSX: n parts",
    "XLSX: n formats", "Parquet: n timestamps' columns", "XPT: n members' headers",
    "XPT: n empty records", "n files", "a field of n bytes", "n dashes", "n line ends before",
    "n carriage returns", "n quotes of a name",
)  # fmt: skip
"""They go the way of others, which the tests measure."""


def cases() -> list[Case]:
    """Every format, a compressed text, mapping files and forms."""
    found = [
        Case(
            parser,
            attack,
            _file(f".{kind}", build),
            opened,
            start=16,
            in_tests=f"{parser}: {attack}" not in _AS_ANOTHER,
        )
        for kind, (parser, attacks) in FORMATS.items()
        for attack, build in attacks.items()
    ]
    found.append(Case("CSV", "n rows, packed", _packed, lambda sent: opened(sent.content)))
    found += [Case("mapping", a, b, _mapped, most=64 << 10) for a, b in _TOML.items()]
    found += [
        Case("multipart", a, _form(b), _sent_form, in_tests=a not in _AS_ANOTHER)
        for a, b in _FORMS.items()
    ]
    return found
