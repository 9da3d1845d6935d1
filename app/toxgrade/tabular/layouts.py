"""What the columns of a lab export mean: our own names, SDTM LB, or a declared mapping."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from toxgrade.errors import FileError
from toxgrade.grading.specimens import names_other_specimen
from toxgrade.tabular.declared_cells import as_declared
from toxgrade.tabular.identifiers import trimmed
from toxgrade.tabular.mapping import NAMED, OURS, ColumnMap
from toxgrade.tabular.read_options import ReadOptions

_REQUIRED = ("patient", "collected", "analyte", "value", "unit", "lln", "uln")
_SDTM = ("USUBJID", "LBORRES", "LBORRESU", "LBORNRLO", "LBORNRHI", "LBDTC")
_SDTM_STANDARD = {
    "LBORRES": "LBSTRESC", "LBORRESU": "LBSTRESU", "LBORNRLO": "LBSTNRLO", "LBORNRHI": "LBSTNRHI",
}  # fmt: skip
OWN, SDTM_LB, MAPPED = "Toxgrade's own columns", "SDTM LB", "mapped columns"


@dataclass(frozen=True, slots=True)
class Layout:
    """What each of our columns is in a file.

    ``ours``: an expression over the file's columns for each of ``OURS`` that the file has;
    ``named``: the file's column behind it, for messages. ``reads``: all columns that ``ours`` uses,
    at least one.
    """

    name: str
    ours: Mapping[str, pl.Expr]
    named: Mapping[str, str]
    reads: tuple[str, ...]

    @property
    def dates(self) -> tuple[str, ...]:
        """Return the file's columns that hold the dates of results and of treatment."""
        return _root_names(self.of(name) for name in ("collected", "rt_start", "rt_end"))

    def rows(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the columns ``OURS`` of a frame with the file's columns; null where none.

        Patients are trimmed, unless they are Categorical.
        """
        # Constants alone, selected, would be one row.
        rows = frame.with_columns(self.of(name).alias(name) for name in OURS).select(OURS)
        if rows.schema["patient"] == pl.String:
            rows = rows.with_columns(trimmed(pl.col("patient")).alias("patient"))
        return rows

    def of(self, name: str) -> pl.Expr:
        """Return one of our columns as an expression over the file's columns."""
        return self.ours.get(name, pl.lit(None, dtype=pl.String))


def recognise(header: Sequence[str], file: str, options: ReadOptions) -> Layout:
    """Return the layout whose required columns are all there, with what a mapping adds to it.

    Raises:
        FileError: names what is missing from the layout that comes nearest, or from the mapping.
    """
    sdtm = _sdtm_required(header, options)
    missing = {
        OWN: [name for name in _REQUIRED if name not in header],
        SDTM_LB: [name for name in sdtm if name not in header],
    }
    if not options.columns.wide and missing[OWN] and not missing[SDTM_LB]:
        return _sdtm_layout(header, file, options)
    if options.columns:
        return _mapped_layout(header, file, options)
    if not missing[OWN]:
        return _own_layout(OWN, {name: name for name in NAMED if name in header}, options)
    nearest = min(missing, key=lambda name: len(missing[name]))
    accepted = f"{OWN}: {', '.join(_REQUIRED)}; or {SDTM_LB}: {', '.join(sdtm)}; or a mapping"
    lacking = ", ".join(missing[nearest])
    raise FileError(f"{file}: the header lacks {lacking}. Accepted are {accepted}")


def _own_layout(layout: str, named: Mapping[str, str], options: ReadOptions) -> Layout:
    ours = {name: pl.col(column) for name, column in named.items()}
    if options.baseline == "rule":
        ours.pop("baseline", None)
    return Layout(layout, as_declared(ours, options), named, _root_names(ours.values()))


def _root_names(expressions: Iterable[pl.Expr]) -> tuple[str, ...]:
    names = [name for expression in expressions for name in expression.meta.root_names()]
    return tuple(dict.fromkeys(names))


def _mapped_layout(header: Sequence[str], file: str, options: ReadOptions) -> Layout:
    """Return the layout of a mapping; columns under our own names need not be mapped."""
    columns = options.columns
    named = {name: name for name in NAMED if name in header} | dict(columns.columns)
    named = {name: column for name, column in named.items() if name not in columns.constants}
    wide = {"column", "lln_column", "uln_column"}
    used = {*named.values(), *(entry[k] for entry in columns.wide for k in wide & entry.keys())}
    _check_mapped(used, header, file, options)
    needed = (
        ("patient", "collected") if columns.wide else ("patient", "collected", "analyte", "value")
    )
    if absent := [name for name in needed if name not in named | dict(columns.constants)]:
        raise FileError(f"{file}: the mapping does not say which column is {', '.join(absent)}")
    ours = {name: pl.col(column) for name, column in named.items()}
    ours |= {name: pl.lit(text) for name, text in columns.constants.items()}
    if options.baseline == "rule":
        ours.pop("baseline", None)
    reads = tuple(dict.fromkeys([*_root_names(ours.values()), *sorted(used)])) or (*header[:1],)
    is_own = not columns.wide and set(_REQUIRED) <= set(header) and _adds_dates_only(columns)
    return Layout(OWN if is_own else MAPPED, as_declared(ours, options), named, reads)


def _check_mapped(
    used: Iterable[str], header: Sequence[str], file: str, options: ReadOptions
) -> None:
    if absent := sorted(set(used) - set(header)):
        by = "--treatment-columns" if {*absent} <= {*(options.treatment or ())} else "the mapping"
        raise FileError(f"{file}: {by} names columns that are not there: {', '.join(absent)}")


def _adds_dates_only(columns: ColumnMap) -> bool:
    return {*columns.columns, *columns.constants} <= {"rt_start", "rt_end"}


def _sdtm_required(header: Sequence[str], options: ReadOptions) -> tuple[str, ...]:
    code = "LBLOINC" if "LBLOINC" in header and "LBTESTCD" not in header else "LBTESTCD"
    names = [_standard(name, options) for name in _SDTM]
    return (names[0], code, *names[1:])


def _standard(name: str, options: ReadOptions) -> str:
    return _SDTM_STANDARD.get(name, name) if options.values == "standard" else name


def _sdtm_layout(header: Sequence[str], file: str, options: ReadOptions) -> Layout:
    """Return the layout of SDTM LB: value, unit and range all as reported, or all standardised.

    So no value is compared with a range that was rounded in another unit. A test that was not done
    has no value, whatever its column holds. A mapping adds columns or replaces them; a value that
    it replaces has no unit, range and indicator but those of the mapping.
    """
    columns = options.columns
    mapped = {*columns.columns, *columns.constants}
    _check_mapped(columns.columns.values(), header, file, options)
    codes = [_text(name) for name in ("LBTESTCD", "LBLOINC") if name in header]
    named = {
        "patient": "USUBJID", "collected": "LBDTC", "analyte": codes[0].meta.output_name(),
        "value": _standard("LBORRES", options), "unit": _standard("LBORRESU", options),
        "lln": _standard("LBORNRLO", options), "uln": _standard("LBORNRHI", options),
    }  # fmt: skip
    dropped = {*columns.constants, *(("unit", "lln", "uln") if "value" in mapped else ())}
    named = {ours: theirs for ours, theirs in named.items() if ours not in dropped}
    named |= dict(columns.columns)
    ours: dict[str, pl.Expr] = {name: pl.col(column) for name, column in named.items()}
    ours |= {name: pl.lit(text) for name, text in columns.constants.items()}
    if "analyte" not in mapped:
        ours["analyte"] = pl.coalesce(codes)
    if "specimen" not in mapped and not {"LBSPEC", "LBCAT", "LBTEST"}.isdisjoint(header):
        ours["specimen"] = _sdtm_specimen(header)
    if "LBNRIND" in header and mapped.isdisjoint({"indicator", "value"}):
        ours["indicator"] = _text("LBNRIND")
    if "LBSTAT" in header:
        not_done = (_text("LBSTAT").str.strip_chars() == "NOT DONE").fill_null(False)
        ours["value"] = pl.when(~not_done).then(ours["value"])
    flags = [_text(name) for name in ("LBLOBXFL", "LBBLFL") if name in header]
    if options.baseline == "flag" and flags and "baseline" not in mapped:
        ours["baseline"] = pl.coalesce(flags)
    if options.baseline == "rule":
        ours.pop("baseline", None)
    name = SDTM_LB if _adds_dates_only(columns) else f"{SDTM_LB} and a mapping"
    return Layout(name, as_declared(ours, options), named, _root_names(ours.values()))


def _sdtm_specimen(header: Sequence[str]) -> pl.Expr:
    """Return the specimen of SDTM LB: LBSPEC, unless LBCAT says that it is not blood.

    Where LBSPEC is empty, LBCAT (URINALYSIS) or LBTEST (Glucose in Urine) may say so.
    """
    nothing = pl.lit(None, dtype=pl.String)
    specimen, category, test = (
        _text(name).str.strip_chars().replace("", None) if name in header else nothing
        for name in ("LBSPEC", "LBCAT", "LBTEST")
    )
    return (
        pl.when(_names_other(category) & ~_names_other(specimen))
        .then(category)
        .when(_names_other(test) & specimen.is_null())
        .then(test)
        .otherwise(specimen)
    )


def _names_other(texts: pl.Expr) -> pl.Expr:
    """Return whether each text names another specimen than blood; a file has few different."""

    def found(column: pl.Series) -> pl.Series:
        return column.is_in([text for text in column.unique() if names_other_specimen(text)])

    return texts.map_batches(found, return_dtype=pl.Boolean).fill_null(False)


def _text(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.String)


def death_column(header: Sequence[str]) -> str | None:
    """Return the column with the day of death of a file with treatment dates, if it has one."""
    return next((name for name in ("died", "DTHDTC") if name in header), None)


def treatment_columns(
    header: Sequence[str], file: str, options: ReadOptions
) -> tuple[str, str, str]:
    """Return the patient, start and end columns of a file with treatment dates.

    Raises:
        FileError: the file has neither layout's columns, or not the declared ones.
    """
    patients = [options.columns.columns.get("patient", "patient"), "patient", "USUBJID"]
    patient = next((name for name in patients if name in header), None)
    declared = [options.treatment] if options.treatment else []
    mapped = tuple(options.columns.columns.get(name, name) for name in ("rt_start", "rt_end"))
    usual = [mapped, ("rt_start", "rt_end"), ("RFSTDTC", "RFENDTC")]
    for start, end in declared or usual:
        if patient is not None and start in header and end in header:
            return patient, start, end
    dates = " or ".join(", ".join(pair) for pair in dict.fromkeys(declared or usual))
    raise FileError(f"{file}: the header needs the columns patient or USUBJID, and {dates}")
