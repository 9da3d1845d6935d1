"""What a hostile or careless caller sends: request bodies, and files to upload."""

import io
import json
import random
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

_MEBIBYTE = 1 << 20
_JSON = "Content-Type: application/json\r\n"
_FHIR = "Content-Type: application/fhir+json\r\n"
_HL7 = "Content-Type: application/hl7-v2\r\n"
_PANEL = "POST /v1/studies/default/patients/H/results HTTP/1.1\r\n"
_MSH = "MSH|^~\\&|LIS|LAB|E|W|20110424101500||ORU^R01|42|P|2.5.1\r"


def requests(authorization: str) -> Iterator[tuple[str, bytes]]:
    """Yield the name of each hostile request, and its bytes; most hold the ``authorization``."""
    host = f"Host: x\r\n{authorization}"
    for name, (head, body) in _bodies().items():
        content = body()
        yield name, f"{head}{host}Content-Length: {len(content)}\r\n\r\n".encode() + content
    chunked = f"{_PANEL}{_JSON}Transfer-Encoding: chunked\r\n"
    trailers = b"".join(b"x-%06d: %s\r\n" % (n, b"v" * 20) for n in range(100_000))
    yield "trailers", f"{chunked}Host: x\r\n\r\n2\r\n{{}}\r\n0\r\n".encode() + trailers
    extension = b"2;" + b"e" * (8 * _MEBIBYTE)
    yield "a chunk's extension", f"{chunked}{host}\r\n".encode() + extension
    small = b"1\r\n \r\n" * _MEBIBYTE
    yield "chunks of one byte", f"{chunked}{host}\r\n".encode() + small
    for _ in range(50):
        wrong = "Authorization: Bearer tox_00000000_guess\r\n"
        yield "a wrong key", f"GET /v1/studies HTTP/1.1\r\nHost: x\r\n{wrong}\r\n".encode()


def _bodies() -> dict[str, tuple[str, Callable[[], bytes]]]:
    """Return by name the head of a request, without its end, and what makes its body."""
    fhir = f"POST /fhir/$ctcae-grade HTTP/1.1\r\n{_FHIR}"
    hl7 = f"POST /hl7v2 HTTP/1.1\r\n{_HL7}"
    form = "Content-Type: application/x-www-form-urlencoded\r\n"
    return {
        "doubled keys": (_PANEL + _JSON, lambda: _list(b'{"a":1,"a":1}', 8)),
        "one doubled key": (_PANEL + _JSON, _many_keys),
        "deep JSON": (_PANEL + _JSON, lambda: b"[" * (8 * _MEBIBYTE)),
        "numbers": (_PANEL + _JSON, lambda: _list(b"1e999", 8)),
        "faults": (_PANEL + _JSON, lambda: b'{"results":' + _list(b'{"x":1}', 7) + b"}"),
        "results": (_PANEL + _JSON, _results),
        "a bundle of nothing": (fhir, lambda: _bundle(b"null", 31)),
        "a bundle of observations": (fhir, lambda: _bundle(_OBSERVATION, 31)),
        "repetitions": (hl7, lambda: _repetitions(7)),
        "segments": (hl7, lambda: _MSH.encode() + b"OBX|\r" * (_MEBIBYTE * 8 // 5)),
        "a form": (f"POST /sign-in HTTP/1.1\r\n{form}", lambda: b"key=" + b"%41" * 20_000),
    }


_OBSERVATION = json.dumps(
    {
        "resource": {
            "resourceType": "Observation",
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "1975-2"}] * 20},
            "valueQuantity": {"value": 1.8, "unit": "mg/dL"},
            "effectiveDateTime": "2011-04-23",
        }
    }
).encode()


def _list(item: bytes, mebibytes: int) -> bytes:
    return b"[" + b",".join([item] * (mebibytes * _MEBIBYTE // (len(item) + 1) - 1)) + b"]"


def _many_keys() -> bytes:
    keys = ",".join(f'"k{n:06d}":1' for n in range(500_000))
    return f'{{{keys},"k000000":1}}'.encode()


def _results() -> bytes:
    """Return 5,000 results of one number and one time, all different."""
    labs = [
        {"analyte": "WBC", "value": f"{n}.{n}", "unit": "10*9/L", "collected": "2011-04-23",
         "source_id": "1"}
        for n in range(5000)
    ]  # fmt: skip
    return json.dumps({"results": labs}).encode()


def _bundle(entry: bytes, mebibytes: int) -> bytes:
    entries = _list(entry, mebibytes)
    return (
        b'{"resourceType":"Parameters","parameter":[{"name":"bundle","resource":'
        b'{"resourceType":"Bundle","type":"collection","entry":' + entries + b"}}]}"
    )


def _repetitions(mebibytes: int) -> bytes:
    half = mebibytes * _MEBIBYTE // 3
    pid = "PID|1||" + "x~" * half + "P1" + "|" * half
    return f"{_MSH}{pid}\rOBR|1||L\rOBX|1|NM|1975-2^B^LN||1.8|mg/dL|||||F\r".encode()


def uploads(folder: Path) -> dict[str, Path]:
    """Write the worst files that were found into ``folder``; return them by name."""
    header = b"patient,collected,analyte,value,unit,lln,uln\n"
    chance = random.Random(5)
    rows = (
        f"P1,20{n // 36500 % 10 + 10}-{n % 12 + 1:02}-{n % 28 + 1:02}T{n % 24:02}:{n // 24 % 60:02}"
        f":{n // 1440 % 60:02},ALT,{chance.randrange(20, 900)}.{n % 10},U/L,0,40\n"
        for n in range(100_000)
    )
    contents = {
        "unreadable rows of one patient": ("bad.csv", header + b"bad,row\n" * 1_500_000),
        "100,000 rows of one patient": ("one.csv", header + "".join(rows).encode()),
        "a cell in the last corner": ("corner.xlsx", _workbook("XFD1048576")),
        "a cell in a far corner": ("far.xlsx", _workbook("ZZ1048576")),
        "a damaged Parquet file": ("damaged.parquet", b"PAR1" + chance.randbytes(4096) + b"PAR1"),
    }
    found = {}
    for name, (file, content) in contents.items():
        found[name] = folder / file
        found[name].write_bytes(content)
    return found


def _workbook(corner: str) -> bytes:
    """Return an XLSX file of two cells, the second in the ``corner``."""
    main = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    spreadsheet = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    column = corner.rstrip("0123456789")
    row = corner.removeprefix(column)
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types">'
        '<Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{spreadsheet}.sheet.main+xml"/>'
        f'<Override PartName="/xl/s.xml" ContentType="{spreadsheet}.worksheet+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" '
        f'Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook {main} xmlns:r="{office}"><sheets>'
        '<sheet name="labs" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships">'
        f'<Relationship Id="r1" Type="{office}/worksheet" Target="s.xml"/></Relationships>',
        "xl/s.xml": f'<worksheet {main}><sheetData><row r="1"><c r="A1"><v>1</v></c></row>'
        f'<row r="{row}"><c r="{corner}"><v>1</v></c></row></sheetData></worksheet>',
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, f'<?xml version="1.0" encoding="UTF-8"?>{content}')
    return out.getvalue()
