"""The files of an upload, written one after the other into a folder, under names of our own."""

import hashlib
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from toxgrade.errors import FieldFault, RequestError, TooLarge
from toxgrade.server.http.body import BodyProblem
from toxgrade.tabular.mapping import Document
from toxgrade.tabular.read_options import OPTIONS

MOST_WORDS, LONGEST_WORD = 100, 200
_FILES = ("labs", "patients", "mapping")
_PIECE = 1 << 20
_LARGEST_MAPPING = 64 * 1024
_SUFFIX = re.compile(r"\.(?:csv|tsv|ndjson|jsonl)(?:\.gz|\.zst)?$|\.(?:parquet|xlsx|xpt)$")
MEDIA_TYPES = {
    "text/csv": ".csv",
    "text/tab-separated-values": ".tsv",
    "application/vnd.apache.parquet": ".parquet",
    "application/x-parquet": ".parquet",
    "application/x-ndjson": ".ndjson",
    "application/ndjson": ".ndjson",
    "application/fhir+ndjson": ".ndjson",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
    "application/x-sas-xport": ".xpt",
}
ACCEPTED = (
    f"one of {', '.join(dict.fromkeys(MEDIA_TYPES.values()))} (texts also with .gz or .zst) as"
    f" ?filename=, or Content-Type one of {', '.join(MEDIA_TYPES)}"
)


@dataclass(frozen=True, slots=True)
class Files:
    """What came: the files' names by field and the SHA-256 of them all; what was declared."""

    names: dict[str, str]
    sha256: str
    words: list[tuple[str, str]] = field(default_factory=list)
    mapping: Document | None = None


async def write_body(
    pieces: AsyncGenerator[bytes, None], filename: str | None, media_type: str, folder: Path
) -> Files:
    """Write a body that is the labs themselves.

    Raises:
        BodyProblem: of no format that is read.
        RequestError: it is empty.
    """
    labs = f"labs{_suffix(filename, media_type)}"
    return Files({"labs": labs}, await _write(pieces, folder / labs))


async def write_form(headers: Headers, pieces: AsyncGenerator[bytes, None], folder: Path) -> Files:
    """Write the files of a form; its SHA-256 is that of theirs.

    Raises:
        BodyProblem: no form, or a file of no format that is read.
        RequestError: it lacks ``labs``, or has a file that is empty or not one of ours.
        TooLarge: a mapping file of more than 64 KB.
    """
    longest = 4 * LONGEST_WORD  # bytes
    parser = MultiPartParser(
        headers, pieces, max_files=len(_FILES), max_fields=MOST_WORDS, max_part_size=longest
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise BodyProblem(400, f"the form cannot be read: {error.message}") from None
    try:
        files, words = _parted(form)
        mapping = await _mapping(files.pop("mapping", None))
        names = {
            name: name + _suffix(file.filename, file.content_type or "")
            for name, file in files.items()
        }
        digests = {name: await _write(_read(files[name]), folder / names[name]) for name in names}
    finally:
        await form.close()
    both = " ".join(f"{name} {digests[name]}" for name in sorted(digests))
    return Files(names, hashlib.sha256(both.encode()).hexdigest(), words, mapping)


def _parted(form: FormData) -> tuple[dict[str, UploadFile], list[tuple[str, str]]]:
    """The files of a form by field, and its other fields."""
    files: dict[str, UploadFile] = {}
    words = []
    for name, given in form.multi_items():
        if isinstance(given, str) and name not in _FILES:
            words.append((name, given))
        elif isinstance(given, UploadFile) and not (given.filename or given.size):
            continue  # what a browser sends for a field in which no file was chosen
        elif isinstance(given, str) or name not in _FILES or name in files:
            text = f"expected the files {', '.join(_FILES)}, each once; only labs must be there"
            fault = FieldFault((name,), "unknown-field", text)
            raise RequestError("the form has a file that is not one of ours", [fault])
        else:
            files[name] = given
    if "labs" not in files:
        fault = FieldFault(("labs",), "missing", "expected a file named labs")
        raise RequestError("the form holds no labs", [fault])
    return files, words


async def _mapping(file: UploadFile | None) -> Document | None:
    if file is None:
        return None
    content = await file.read(_LARGEST_MAPPING + 1)
    if len(content) > _LARGEST_MAPPING:
        raise TooLarge(f"a mapping file is at most {_LARGEST_MAPPING} bytes")
    return "mapping", content


async def _write(pieces: AsyncGenerator[bytes, None], path: Path) -> str:
    """Write a file; its SHA-256."""
    digest = hashlib.sha256()
    with path.open("xb") as file:
        async for piece in pieces:
            await run_in_threadpool(file.write, piece)
            digest.update(piece)
    if not path.stat().st_size:
        raise RequestError("the body is empty", [FieldFault(("body",), "empty", "expected a file")])
    return digest.hexdigest()


async def _read(file: UploadFile) -> AsyncGenerator[bytes, None]:
    while piece := await file.read(_PIECE):
        yield piece


def _suffix(filename: str | None, media_type: str) -> str:
    """The format by the file's name, else by its media type, as a suffix."""
    named = _SUFFIX.search((filename or "").lower())
    found = named[0] if named else MEDIA_TYPES.get(media_type.partition(";")[0].strip().lower())
    if found is None:
        raise BodyProblem(415, f"the format of the file is not known: expected {ACCEPTED}")
    return found


_WORDS = {
    option.name: {"type": "string", "maxLength": LONGEST_WORD, "description": option.help}
    | ({"enum": list(option.choices)} if option.choices else {})
    for option in OPTIONS
}
UPLOAD: dict[str, Any] = {
    "parameters": [
        {
            "name": option.name,
            "in": "query",
            "description": option.help,
            "schema": {"type": "array", "items": _WORDS[option.name]}
            if option.repeatable
            else _WORDS[option.name],
        }
        for option in OPTIONS
    ],
    "requestBody": {
        "required": True,
        "content": {
            **{media: {"schema": {"type": "string", "format": "binary"}} for media in MEDIA_TYPES},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["labs"],
                    "properties": {
                        "labs": {"type": "string", "format": "binary"},
                        "patients": {"type": "string", "format": "binary"},
                        "mapping": {"type": "string", "format": "binary"},
                        **_WORDS,
                    },
                }
            },
        },
    },
}
