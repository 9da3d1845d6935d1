"""Receiving files: streamed to disk in pieces, hashed on the way, never held in memory."""

import errno
import hashlib
import re
from collections.abc import AsyncGenerator
from pathlib import Path
from urllib.parse import urlsplit

from python_multipart.multipart import parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from app.batches.kinds import shape
from app.batches.reading import AS_IT_COMES
from app.batches.store import Store
from app.errors import FieldFault, FileError, Forbidden, NoSpace, RequestError, TooLarge
from app.http.body import BodyProblem
from app.records.batches import Upload, new_batch_id

_PIECE = 1 << 20
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


async def receive(request: Request, filename: str | None, store: Store, most: int) -> Upload:
    """Write the body, or the files ``labs`` and ``patients`` of a form, into a new folder.

    Raises:
        BodyProblem: of no format that is read, or not what it is called (415); not a form.
        TooLarge: more than ``most`` bytes.
        RequestError: a form without ``labs``, or with other fields.
        NoSpace: the disk is full.
        Forbidden: a page of another site had the browser send it.
    """
    _refuse_other_sites(request)
    batch_id = new_batch_id()
    kind, _ = parse_options_header(request.headers.get("content-type"))
    folder = await run_in_threadpool(store.open_folder, batch_id)
    try:
        limited = _limited(request, most)
        if kind == b"multipart/form-data":
            labs, patients, sha256 = await _form(request, limited, folder)
        else:
            labs, patients = f"labs{_suffix(filename, kind.decode('latin-1'))}", None
            sha256 = await _write(limited, folder / labs)
        for name in filter(None, (labs, patients)):
            await run_in_threadpool(shape, folder / name, name, AS_IT_COMES)
    except FileError as error:
        await run_in_threadpool(store.remove, batch_id)
        raise BodyProblem(415, str(error)) from None
    except OSError as error:
        await run_in_threadpool(store.remove, batch_id)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoSpace("no space is left for the upload; nothing of it is kept") from None
        raise
    except BaseException:
        await run_in_threadpool(store.remove, batch_id)
        raise
    return Upload(batch_id, sha256, labs, patients, store.name)


def _refuse_other_sites(request: Request) -> None:
    """A form can be sent from any page; what comes without credentials of its own must be ours."""
    origin = request.headers.get("origin")
    if origin is None or "authorization" in request.headers:
        return
    if urlsplit(origin).netloc != request.url.netloc:
        raise Forbidden("this upload was sent by a page of another site")


async def _limited(request: Request, most: int) -> AsyncGenerator[bytes, None]:
    """The body in pieces of a MiB or so, refused as soon as it is known to be too long."""
    detail = f"the upload is longer than {most} bytes; split the file by patients"
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > most:
        raise TooLarge(detail)
    read, piece = 0, bytearray()
    async for received in request.stream():
        read += len(received)
        if read > most:
            raise TooLarge(detail)
        piece += received
        if len(piece) >= _PIECE:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece)


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


async def _form(
    request: Request, pieces: AsyncGenerator[bytes, None], folder: Path
) -> tuple[str, str | None, str]:
    """The files of a form, under names of our own, and the SHA-256 of their SHA-256s."""
    parser = MultiPartParser(request.headers, pieces, max_files=2, max_fields=0)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise BodyProblem(400, f"the form cannot be read: {error.message}") from None
    names: dict[str, str] = {}
    digests: dict[str, str] = {}
    try:
        for field, file in form.multi_items():
            if isinstance(file, UploadFile) and not (file.filename or file.size):
                continue  # what a browser sends for a field in which no file was chosen
            if field not in ("labs", "patients") or field in names:
                fault = FieldFault((field,), "unknown-field", "expected labs, and patients or not")
                raise RequestError("the form has a field that is not one of ours", [fault])
            assert isinstance(file, UploadFile)
            names[field] = field + _suffix(file.filename, file.content_type or "")
            digests[field] = await _write(_read(file), folder / names[field])
    finally:
        await form.close()
    if "labs" not in names:
        fault = FieldFault(("labs",), "missing", "expected a file named labs")
        raise RequestError("the form holds no labs", [fault])
    both = " ".join(f"{field} {digests[field]}" for field in sorted(digests))
    return names["labs"], names.get("patients"), hashlib.sha256(both.encode()).hexdigest()


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
