"""Receiving files: streamed to disk in pieces, hashed on the way, never held in memory."""

import csv
import errno
import hashlib
import io
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import astuple, fields
from pathlib import Path
from urllib.parse import urlsplit

from fastapi.responses import FileResponse, StreamingResponse
from python_multipart.multipart import parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from toxgrade.errors import (
    Conflict,
    FieldFault,
    FileError,
    Forbidden,
    NoSpace,
    NotFound,
    RequestError,
    TooLarge,
)
from toxgrade.server.http.body import BodyProblem
from toxgrade.server.http.multipart import LONGEST_WORD, MOST_WORDS, Files, write_body, write_form
from toxgrade.server.http.service import Service
from toxgrade.server.jobs.batches import (
    Place,
    Reject,
    Upload,
    find_batch,
    list_rejects,
    new_batch_id,
)
from toxgrade.server.jobs.upload_store import UploadStore
from toxgrade.server.records.db.engine import read_only
from toxgrade.tabular.file_format import shape
from toxgrade.tabular.mapping import Document
from toxgrade.tabular.read_options import DEFAULT_OPTIONS, as_json, parse_options

_PIECE = 1 << 20


async def receive(request: Request, filename: str | None, store: UploadStore, most: int) -> Upload:
    """Write the body, or the files ``labs`` and ``patients`` of a form, into a new folder.

    How they are to be read may be declared by ``OPTIONS``, as query parameters or as fields of the
    form, which may hold a file ``mapping`` too.

    Raises:
        BodyProblem: of no format that is read, or not what it is called (415); not a form.
        TooLarge: more than ``most`` bytes.
        RequestError: a form without ``labs``, or with other fields; an option that is none.
        NoSpace: the disk is full.
        Forbidden: a page of another site had the browser send it.
    """
    _refuse_other_sites(request)
    asked = request.query_params.multi_items()
    words = [(name, text) for name, text in asked if name != "filename"]
    reading = _reading(words, None)
    batch_id = new_batch_id()
    folder = await run_in_threadpool(store.open_folder, batch_id)
    try:
        files = await _files(request, filename, most, folder)
        if files.words or files.mapping:
            reading = _reading([*words, *files.words], files.mapping)
    except BaseException as error:
        await run_in_threadpool(store.remove, batch_id)
        raise _said(error) from None
    sha256 = files.sha256
    if reading:  # the same files read otherwise are another batch
        sha256 = hashlib.sha256(f"{sha256} {reading}".encode()).hexdigest()
    names = files.names
    return Upload(batch_id, sha256, names["labs"], names.get("patients"), store.name, reading)


async def _files(request: Request, filename: str | None, most: int, folder: Path) -> Files:
    """Write what came into the folder; each file is what it is called."""
    kind, _ = parse_options_header(request.headers.get("content-type"))
    limited = _limited(request, most)
    if kind == b"multipart/form-data":
        files = await write_form(request.headers, limited, folder)
    else:
        files = await write_body(limited, filename, kind.decode("latin-1"), folder)
    for name in files.names.values():
        await run_in_threadpool(shape, folder / name, name, DEFAULT_OPTIONS)
    return files


def _said(error: BaseException) -> BaseException:
    """The error as a caller is told of it."""
    if isinstance(error, FileError):
        return BodyProblem(415, str(error))
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpace("no space is left for the upload; nothing of it is kept")
    return error


def _reading(words: Sequence[tuple[str, str]], mapping: Document | None) -> str | None:
    """What is declared, as it is kept; None: nothing."""
    if len(words) > MOST_WORDS:
        raise RequestError(f"more than {MOST_WORDS} options declare how the file is to be read")
    text = f"expected at most {LONGEST_WORD} printable characters"
    odd = [name for name, word in words if len(word) > LONGEST_WORD or not word.isprintable()]
    if odd:
        faults = [FieldFault((name,), "unprintable", text) for name in odd]
        raise RequestError("how the file is to be read cannot be accepted as declared", faults)
    return as_json(parse_options(words, mapping))


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


PARQUET = "application/vnd.apache.parquet"
_PAGE = 10_000  # rejects in memory at a time


async def graded_rows(service: Service, study: str, batch: str) -> FileResponse:
    """The input columns with the grades as they were stored.

    Raises:
        NotFound: no such study, or it has no such batch, or its graded rows were removed.
        Conflict: the batch has not ended, or nothing of it could be stored.
    """
    found = await service.read(lambda c: find_batch(c, study, batch))
    path = UploadStore(service.settings.batches_dir).grades(batch)
    if found.state not in ("done", "incomplete"):
        raise Conflict(f"there are graded rows once the batch is done; it is {found.state}")
    if not path.exists():
        raise NotFound("the graded rows of this batch are no longer kept")
    return FileResponse(path, media_type=PARQUET, filename=f"{study}-{batch}.parquet")


def rejects_csv(service: Service, study: str, batch: str) -> StreamingResponse:
    """All rejects of a batch that there is, page by page, each in a transaction of its own."""
    return StreamingResponse(
        _rows(service, study, batch),
        media_type="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{study}-{batch}-rejects.csv"'},
    )


def _rows(service: Service, study: str, batch: str) -> Iterator[str]:
    yield ",".join(field.name for field in fields(Reject)) + "\n"
    after: Place | None = (0, 0)
    while after is not None:
        with read_only(service.engine).begin() as connection:
            rows, after = list_rejects(connection, study, batch, _PAGE, after)
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows(astuple(row) for row in rows)
        yield out.getvalue()
