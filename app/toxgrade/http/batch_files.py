"""What a stored batch leaves to be fetched: its rejects as CSV, its graded rows as Parquet."""

import csv
import io
from collections.abc import Iterator
from dataclasses import astuple, fields

from fastapi.responses import FileResponse, StreamingResponse

from toxgrade.errors import Conflict, NotFound
from toxgrade.http.service import Service
from toxgrade.server.jobs.batches import Place, Reject, find_batch, list_rejects
from toxgrade.server.jobs.upload_store import Store
from toxgrade.server.records.db.engine import reading

PARQUET = "application/vnd.apache.parquet"
_PAGE = 10_000  # rejects in memory at a time


async def graded_rows(service: Service, study: str, batch: str) -> FileResponse:
    """The input columns with the grades as they were stored.

    Raises:
        NotFound: no such study, or it has no such batch, or its graded rows were removed.
        Conflict: the batch has not ended, or nothing of it could be stored.
    """
    found = await service.read(lambda c: find_batch(c, study, batch))
    path = Store(service.settings.batches_dir).grades(batch)
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
        with reading(service.engine).begin() as connection:
            rows, after = list_rejects(connection, study, batch, _PAGE, after)
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows(astuple(row) for row in rows)
        yield out.getvalue()
