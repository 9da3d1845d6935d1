"""The files of an upload, written into a folder under names that the service chooses."""

import asyncio
import hashlib
import os
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from toxgrade.errors import FieldFault, RequestError, TooLarge
from toxgrade.server.http.body import BodyProblem
from toxgrade.tabular.mapping_file import Document
from toxgrade.tabular.options import OPTIONS

MAX_OPTIONS = 100
OPTION_LENGTH = 200  # characters at most
_FILES = {
    "labs": "The laboratory results.",
    "patients": "Treatment dates, one row per patient; left out: in the labs' columns, or none.",
    "mapping": "A mapping file (TOML); left out: columns are recognised by their names.",
}
"""The files of a form, by the name of their part, and what they hold."""
_BLOCK_BYTES = 1 << 20
_PIECE_BYTES = 64 * 1024
_MAX_MAPPING_BYTES = 64 * 1024
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
    """The files written, by form field, with a SHA-256 of them all; and the declared options."""

    names: dict[str, str]
    sha256: str
    options: list[tuple[str, str]] = field(default_factory=list)
    mapping: Document | None = None


async def write_body(
    blocks: AsyncGenerator[bytes, None], filename: str | None, media_type: str, folder: Path
) -> Files:
    """Write a body that is the laboratory file itself.

    Raises:
        BodyProblem: its format is not known.
        RequestError: it is empty.
    """
    labs = f"labs{_suffix(filename, media_type)}"
    return Files({"labs": labs}, await _write(blocks, folder / labs))


async def write_form(headers: Headers, blocks: AsyncGenerator[bytes, None], folder: Path) -> Files:
    """Write the files of a form; the SHA-256 covers ``labs`` and ``patients``, not ``mapping``.

    Raises:
        BodyProblem: the form cannot be read, or the format of a file is not known.
        RequestError: ``labs`` is missing, or a file is empty, sent twice or of an unknown field.
        TooLarge: the mapping file is longer than 64 KiB.
    """
    longest = 4 * OPTION_LENGTH  # bytes: a character has up to four in UTF-8
    parser = MultiPartParser(
        headers,
        _in_pieces(blocks),
        max_files=len(_FILES),
        max_fields=MAX_OPTIONS,
        max_part_size=longest,
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise BodyProblem(400, f"the form cannot be read: {error.message}") from None
    try:
        files, options = _split_form(form)
        mapping = await _mapping(files.pop("mapping", None))
        names = {
            name: name + _suffix(file.filename, file.content_type or "")
            for name, file in files.items()
        }
        digests = {name: await _write(_blocks(files[name]), folder / names[name]) for name in names}
    finally:
        await form.close()
    listed = " ".join(f"{name} {digests[name]}" for name in sorted(digests))
    return Files(names, hashlib.sha256(listed.encode()).hexdigest(), options, mapping)


async def _in_pieces(blocks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """Yield what is parsed in one go: the loop may do other things after each piece."""
    async for block in blocks:
        for at in range(0, len(block), _PIECE_BYTES):
            yield block[at : at + _PIECE_BYTES]
            await asyncio.sleep(0)


def _split_form(form: FormData) -> tuple[dict[str, UploadFile], list[tuple[str, str]]]:
    """Return the files of a form by field, and its other fields with their texts."""
    files: dict[str, UploadFile] = {}
    options = []
    for name, given in form.multi_items():
        if isinstance(given, str) and name not in _FILES:
            options.append((name, given))
        elif isinstance(given, UploadFile) and not (given.filename or given.size):
            continue  # A browser sends this for a field in which no file was chosen.
        elif isinstance(given, str) or name not in _FILES or name in files:
            text = f"expected the files {', '.join(_FILES)}, each once; only labs must be there"
            fault = FieldFault((name,), "unknown-field", text)
            raise RequestError("the form has a file that is not one of ours", [fault])
        else:
            files[name] = given
    if "labs" not in files:
        fault = FieldFault(("labs",), "missing", "expected a file named labs")
        raise RequestError("the form holds no labs", [fault])
    return files, options


async def _mapping(file: UploadFile | None) -> Document | None:
    if file is None:
        return None
    content = await file.read(_MAX_MAPPING_BYTES + 1)
    if len(content) > _MAX_MAPPING_BYTES:
        raise TooLarge(f"a mapping file is at most {_MAX_MAPPING_BYTES} bytes")
    return "mapping", content


async def _write(blocks: AsyncGenerator[bytes, None], path: Path) -> str:
    """Write a file, so that it outlasts a loss of power once it is accepted; return its SHA-256."""
    digest = hashlib.sha256()
    with path.open("xb") as file:
        async for block in blocks:
            await run_in_threadpool(file.write, block)
            digest.update(block)
        await run_in_threadpool(file.flush)
        await run_in_threadpool(os.fsync, file.fileno())
    if not path.stat().st_size:
        raise RequestError("the body is empty", [FieldFault(("body",), "empty", "expected a file")])
    return digest.hexdigest()


async def _blocks(file: UploadFile) -> AsyncGenerator[bytes, None]:
    while block := await file.read(_BLOCK_BYTES):
        yield block


def _suffix(filename: str | None, media_type: str) -> str:
    """Return the format as a suffix, by the file's name or else by its media type."""
    named = _SUFFIX.search((filename or "").lower())
    found = named[0] if named else MEDIA_TYPES.get(media_type.partition(";")[0].strip().lower())
    if found is None:
        raise BodyProblem(415, f"the format of the file is not known: expected {ACCEPTED}")
    return found


_OPTION_SCHEMAS = {
    option.name: {"type": "string", "maxLength": OPTION_LENGTH, "description": option.help}
    | ({"enum": list(option.choices)} if option.choices else {})
    for option in OPTIONS
}
UPLOAD: dict[str, object] = {
    "parameters": [
        {
            "name": name,
            "in": "query",
            "description": option.help,
            "schema": {"type": "array", "items": _OPTION_SCHEMAS[option.name]}
            if option.repeatable
            else _OPTION_SCHEMAS[option.name],
            "deprecated": name == option.formerly,
        }
        for option in OPTIONS
        for name in filter(None, (option.name, option.formerly))
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
                        **{
                            part: {"type": "string", "format": "binary", "description": text}
                            for part, text in _FILES.items()
                        },
                        **_OPTION_SCHEMAS,
                    },
                }
            },
        },
    },
}
