"""One observation (OBX) of an order as a laboratory result."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from toxgrade.ehr.hl7v2.fields import (
    ACCEPTED_TIME,
    read_code,
    read_issued,
    read_reported,
    read_status,
    read_time,
    read_unit,
)
from toxgrade.ehr.hl7v2.message import DATA_TYPE, REQUIRED_MISSING, Segment
from toxgrade.errors import FieldFault, ReadingError, RequestError
from toxgrade.grading.reference_ranges import PrintedRange, read_range
from toxgrade.grading.result import Collected, LabResult, Reason, Reported
from toxgrade.grading.units import Names

_LONGEST = 200  # characters of a text that is kept


@dataclass(frozen=True, slots=True)
class Site:
    """What a site has agreed on beside the standard.

    ``authority``: the assigning authority whose identifier in PID-3 is the study's pseudonym; None:
    the first one is. ``codes``: local codes of OBX-3 and the analytes they mean.
    """

    authority: str | None = None
    codes: Mapping[str, str] = field(default_factory=dict)


def check_codes(codes: Mapping[str, str], names: Names) -> None:
    """Check a site's codes before anything is read by them.

    Raises:
        RequestError: one stands for what is no analyte.
    """
    for code, analyte in codes.items():
        if names.analyte(analyte) is None:
            text = f"TOXGRADE_HL7V2_CODES: {code} stands for {analyte}, which is no analyte"
            raise RequestError(f"{text}; GET /v1/analytes names them")


@dataclass(slots=True)
class Order:
    """The observations under one OBR of one patient; ``number`` is its place in the message."""

    msh: Segment
    pid: Segment | None
    obr: Segment | None
    number: int = 0
    specimen: str = ""
    observations: list[Segment] = field(default_factory=list)


def read_observation(
    obx: Segment, order: Order, names: Names, site: Site, faults: list[FieldFault]
) -> LabResult:
    """The result as far as it can be read; a value or range that cannot be is marked as such.

    What keeps it from being stored is added to ``faults``: no code, no date, a text too long.
    """

    def refuse(place: int, code: str, message: str) -> None:
        faults.append(FieldFault(("OBX", obx.sequence, place), code, message))

    def kept(place: int, text: str | None) -> str | None:
        if text and (len(text) > _LONGEST or not text.isprintable()):
            refuse(place, DATA_TYPE, f"expected at most {_LONGEST} printable characters")
        return text or None

    code = read_code(obx, order.specimen, site.codes)
    if not code:
        refuse(3, REQUIRED_MISSING, "required: the code of what was measured")
    reported, unreadable = _reported(obx)
    if reported is None and not unreadable and obx.component(11).upper() == "U":
        refuse(11, REQUIRED_MISSING, "U is taken only with the value")
    printed = _range(obx)
    collected = _collected(obx, order, refuse)
    lab = obx.component(23) or obx.component(15) or order.msh.component(4)
    return LabResult(
        analyte=kept(3, code) or "",
        value=reported,
        unit=kept(6, read_unit(obx, code, names)),
        lln=printed.lln if printed else None,
        uln=printed.uln if printed else None,
        limit_unit=kept(7, printed.unit) if printed else None,
        collected=collected,
        status=read_status(obx, order.obr),
        source_id=kept(4, _source_id(obx, order)),
        issued=_issued(order),
        unreadable=unreadable,
        unreadable_limit=printed is None,
        lab=kept(15, lab),
    )


def _reported(obx: Segment) -> tuple[Reported | None, Literal[Reason.UNREADABLE_VALUE] | None]:
    try:
        return read_reported(obx), None
    except ReadingError:
        return None, Reason.UNREADABLE_VALUE


def _range(obx: Segment) -> PrintedRange | None:
    """The reference range (OBX-7); None where one was sent and cannot be read."""
    try:
        return read_range(obx.text(7))
    except ReadingError:
        return None


def _collected(
    obx: Segment, order: Order, refuse: Callable[[int, str, str], None]
) -> Collected | None:
    """When the specimen was taken: the observation's own time (OBX-14), else the order's (OBR-7).

    None: refused, as there is none or it cannot be read.
    """
    told = obx.component(14) or (order.obr.component(7) if order.obr else "")
    if not told:
        refuse(14, REQUIRED_MISSING, f"required here or in OBR-7: {ACCEPTED_TIME}")
        return None
    try:
        return read_time(told)
    except ReadingError as error:
        refuse(14, DATA_TYPE, error.message)
        return None


def _source_id(obx: Segment, order: Order) -> str | None:
    """The laboratory's own number of the order, else the ward's, and the observation's sub-id."""
    if order.obr is None:
        return None
    number = order.obr.component(3) or order.obr.component(2)
    sub_id = obx.component(4)
    return f"{number}/{sub_id}" if number and sub_id else number or None


def _issued(order: Order) -> datetime | None:
    """When the order's results were released (OBR-22), else when the message was made (MSH-7)."""
    released = read_issued(order.obr.component(22)) if order.obr else None
    return released or read_issued(order.msh.component(7))
