"""Files over HTTP: uploads streamed to disk and hashed on the way; graded rows and rejects out."""

import csv
import errno
import hashlib
import io
from collections.abc import AsyncGenerator, Sequence
from dataclasses import astuple, fields
from functools import partial
from pathlib import Path

from fastapi.responses import FileResponse, StreamingResponse
from python_multipart.multipart import parse_options_header
from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from toxgrade.errors import (
    Conflict,
    FieldFault,
    FileError,
    NoSpace,
    NotFound,
    RequestError,
    TooLarge,
)
from toxgrade.server.http.body import BodyProblem, upload_stream
from toxgrade.server.http.multipart import MAX_OPTIONS, OPTION_LENGTH, Files, write_body, write_form
from toxgrade.server.http.rate_limit import UPLOAD_BYTES_PER_TOKEN, announced_bytes
from toxgrade.server.http.service import Service
from toxgrade.server.jobs.batches import Upload, find_batch
from toxgrade.server.jobs.rejects import Place, Reject, list_rejects
from toxgrade.server.jobs.upload_store import UploadStore
from toxgrade.server.records.db.engine import read_only
from toxgrade.spreadsheet import to_row
from toxgrade.tabular.declared_options import as_json, parse_options
from toxgrade.tabular.file_format import shape
from toxgrade.tabular.mapping_file import Document
from toxgrade.tabular.read_options import DEFAULT_OPTIONS

_BLOCK_BYTES = 1 << 20
_REJECTS_AT_A_TIME = 10_000  # in memory
PARQUET = "application/vnd.apache.parquet"


def uploads(service: Service) -> UploadStore:
    """Return the store of uploaded files.

    Raises:
        Unavailable: its folder cannot be used.
    """
    return UploadStore(service.settings.batches_dir, service.runtime)


async def receive(request: Request, filename: str | None, service: Service) -> Upload:
    """Write the body, or the files ``labs`` and ``patients`` of a form, into a new folder.

    How they are to be read may be declared by ``OPTIONS``, as query parameters or as fields of the
    form, which may contain a file ``mapping`` too.

    Raises:
        BodyProblem: a file has no known format or not the declared one (415); the form is broken.
        TooLarge: it has more than ``TOXGRADE_MAX_BATCH_BYTES``, or the mapping is too long.
        RequestError: ``labs`` is missing, a file is empty, or a field, file or option is unknown.
        NoSpace: the disk is full.
    """
    parameters = request.query_params.multi_items()
    options = [(name, text) for name, text in parameters if name != "filename"]
    declared = _declared_options(options, None)
    store, batch_id = uploads(service), service.runtime.uuid().hex
    folder = await run_in_threadpool(store.open_folder, batch_id)
    try:
        files = await _write_files(request, filename, service.settings.max_batch_bytes, folder)
        if files.options or files.mapping:
            declared = _declared_options([*options, *files.options], files.mapping)
    except BaseException as error:
        await run_in_threadpool(store.remove, batch_id)
        raise _as_answered(error) from None
    sha256 = files.sha256
    if declared:  # The same files read in another way are another batch.
        sha256 = hashlib.sha256(f"{sha256} {declared}".encode()).hexdigest()
    names = files.names
    return Upload(batch_id, sha256, names["labs"], names.get("patients"), store.name, declared)


async def _write_files(request: Request, filename: str | None, limit: int, folder: Path) -> Files:
    """Write what came into the folder, and check that each file has the format of its name."""
    kind, _ = parse_options_header(request.headers.get("content-type"))
    limited = _limited(request, limit)
    if kind == b"multipart/form-data":
        files = await write_form(request.headers, limited, folder)
    else:
        files = await write_body(limited, filename, kind.decode("latin-1"), folder)
    for name in files.names.values():
        await run_in_threadpool(shape, folder / name, name, DEFAULT_OPTIONS)
    return files


def _as_answered(error: BaseException) -> BaseException:
    """Return the error with which the caller is answered."""
    if isinstance(error, FileError):
        return BodyProblem(415, str(error))
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpace("no space is left for the upload; nothing of it is kept")
    return error


def _declared_options(options: Sequence[tuple[str, str]], mapping: Document | None) -> str | None:
    """Check the declared read options and return them as JSON; None if nothing is declared."""
    if len(options) > MAX_OPTIONS:
        raise RequestError(f"more than {MAX_OPTIONS} options declare how the file is to be read")
    text = f"expected at most {OPTION_LENGTH} printable characters"
    odd = [n for n, value in options if len(value) > OPTION_LENGTH or not value.isprintable()]
    if odd:
        faults = [FieldFault((name,), "unprintable", text) for name in odd]
        raise RequestError("how the file is to be read cannot be accepted as declared", faults)
    declared = parse_options(options, mapping)
    if declared.columns.dictionary:
        text = "the site's own names are the study's: PUT them as dictionary in /v1/studies/{study}"
        fault = FieldFault(("map",), "mapping", text)
        raise RequestError("a stored batch takes its names from its study", [fault])
    return as_json(declared)


async def _limited(request: Request, limit: int) -> AsyncGenerator[bytes, None]:
    """Yield the body in blocks of about 1 MiB; refuse it as soon as it is known to be too long."""
    detail = f"the upload is longer than {limit} bytes; split the file by patients"
    if announced_bytes(request) > limit:
        raise TooLarge(detail)
    read, block = 0, bytearray()
    async for received in upload_stream(request):
        read += len(received)
        if read > limit:
            raise TooLarge(detail)
        block += received
        if len(block) >= _BLOCK_BYTES:
            yield bytes(block)
            block.clear()
    yield bytes(block)


async def graded_rows(service: Service, study: str, batch: str) -> FileResponse:
    """Return the input columns with the grades as they were stored, as a Parquet file.

    Raises:
        NotFound: there is no such study or batch, or its graded rows were removed.
        Conflict: the batch has not ended, was cancelled, or failed.
    """
    found = await service.read(lambda c: find_batch(c, study, batch))
    path = uploads(service).grades(batch)
    if found.state not in ("done", "incomplete"):
        raise Conflict(f"there are graded rows once the batch is done; it is {found.state}")
    if not path.exists():
        raise NotFound("the graded rows of this batch are no longer kept")
    service.spend(path.stat().st_size / UPLOAD_BYTES_PER_TOKEN)
    return FileResponse(path, media_type=PARQUET, filename=f"{study}-{batch}.parquet")


def rejects_csv(service: Service, study: str, batch: str) -> StreamingResponse:
    """Stream all rejects of an existing batch, in pages that each have their own transaction."""
    return StreamingResponse(
        _rows(service, study, batch),
        media_type="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{study}-{batch}-rejects.csv"'},
    )


async def _rows(service: Service, study: str, batch: str) -> AsyncGenerator[str, None]:
    yield ",".join(field.name for field in fields(Reject)) + "\n"
    after: Place | None = (0, 0)
    while after is not None:
        page = partial(_page, service.engine, study, batch, after)
        text, after = await service.in_thread(page, is_costly=True)
        yield text


def _page(engine: Engine, study: str, batch: str, after: Place) -> tuple[str, Place | None]:
    with read_only(engine).begin() as connection:
        rows, following = list_rejects(connection, study, batch, _REJECTS_AT_A_TIME, after)
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(to_row(astuple(row)) for row in rows)
    return out.getvalue(), following
