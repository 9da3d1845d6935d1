"""What the columns of a lab export mean: our own names, SDTM LB, or a declared mapping.

The layouts are listed in ``KNOWN``: another one is a builder and an entry there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from toxgrade.errors import FileError
from toxgrade.tabular.declared_cells import as_declared
from toxgrade.tabular.layout import Layout, adds_dates_only, check_mapped, root_names
from toxgrade.tabular.mapping import COMPARATOR, DAY, OF_RESULT, OURS
from toxgrade.tabular.read_options import ReadOptions
from toxgrade.tabular.sdtm import SDTM_LB, sdtm_layout, sdtm_required

_REQUIRED = ("patient", "collected", "analyte", "value", "unit", "lln", "uln")
_UNMAPPED = (*OURS, COMPARATOR)
"""Our columns that are read under their own names, whether they are mapped or not."""
OWN, MAPPED = "Toxgrade's own columns", "mapped columns"


def recognise(header: Sequence[str], file: str, options: ReadOptions) -> Layout:
    """Return the layout whose required columns are all there, with what a mapping adds to it.

    Raises:
        FileError: names what is missing from the layout that comes nearest, or from the mapping.
    """
    required = [known.required(header, options) for known in KNOWN]
    missing = [[name for name in names if name not in header] for names in required]
    found = next((each for each, lacks in zip(KNOWN, missing, strict=True) if not lacks), None)
    if options.columns and not (found and found.takes_mapping and not options.columns.wide):
        return _mapped_layout(header, file, options)
    if found:
        return found.build(header, file, options)
    accepted = [f"{k.name}: {', '.join(names)}" for k, names in zip(KNOWN, required, strict=True)]
    nearest = min(missing, key=len)
    raise FileError(
        f"{file}: the header lacks {', '.join(nearest)}."
        f" Accepted are {'; or '.join(accepted)}; or a mapping"
    )


def _own_required(header: Sequence[str], options: ReadOptions) -> tuple[str, ...]:
    return _REQUIRED


def _own_layout(header: Sequence[str], file: str, options: ReadOptions) -> Layout:
    named = {name: name for name in _UNMAPPED if name in header}
    ours = {name: pl.col(name) for name in named}
    if options.baseline == "rule":
        ours.pop("baseline", None)
    return Layout(OWN, as_declared(ours, options), named, root_names(ours.values()))


def _mapped_layout(header: Sequence[str], file: str, options: ReadOptions) -> Layout:
    """Return the layout of a mapping; columns under our own names need not be mapped."""
    columns = options.columns
    named = {name: name for name in _UNMAPPED if name in header} | dict(columns.columns)
    named = {name: column for name, column in named.items() if name not in columns.constants}
    wide = {"column", *(f"{name}_column" for name in OF_RESULT)}
    used = {*named.values(), *(entry[k] for entry in columns.wide for k in wide & entry.keys())}
    check_mapped(used, header, file, options)
    needed = ("patient",) if columns.wide else ("patient", "analyte", "value")
    told = {*named, *columns.constants}
    if absent := [name for name in needed if name not in told] + _no_date(options, told):
        raise FileError(f"{file}: the mapping does not say which column is {', '.join(absent)}")
    ours = {name: pl.col(column) for name, column in named.items()}
    ours |= {name: pl.lit(text) for name, text in columns.constants.items()}
    if options.baseline == "rule":
        ours.pop("baseline", None)
    reads = tuple(dict.fromkeys([*root_names(ours.values()), *sorted(used)])) or (*header[:1],)
    is_own = not columns.wide and set(_REQUIRED) <= set(header) and adds_dates_only(columns)
    return Layout(OWN if is_own else MAPPED, as_declared(ours, options), named, reads)


def _no_date(options: ReadOptions, told: set[str]) -> list[str]:
    """Return the name of our column of dates, if neither a date nor a study day is told."""
    wide = options.columns.wide
    each = bool(wide) and all({"collected", "collected_column"} & entry.keys() for entry in wide)
    return [] if each or not told.isdisjoint({"collected", DAY}) else ["collected"]


@dataclass(frozen=True, slots=True)
class KnownLayout:
    """A layout that is recognised by its columns.

    ``required``: those of a header that is read with these options. ``takes_mapping``: a mapping
    adds to it, and does not stand for it. ``patient``, ``treatment`` (start and end) and ``death``:
    the columns of a file with treatment dates.
    """

    name: str
    required: Callable[[Sequence[str], ReadOptions], tuple[str, ...]]
    build: Callable[[Sequence[str], str, ReadOptions], Layout]
    takes_mapping: bool
    patient: str
    treatment: tuple[str, str]
    death: str


KNOWN = (
    KnownLayout(
        OWN, _own_required, _own_layout, takes_mapping=False,
        patient="patient", treatment=("rt_start", "rt_end"), death="died",
    ),
    KnownLayout(
        SDTM_LB, sdtm_required, sdtm_layout, takes_mapping=True,
        patient="USUBJID", treatment=("RFSTDTC", "RFENDTC"), death="DTHDTC",
    ),
)  # fmt: skip
"""Every layout that is recognised, in the order in which they are tried."""
