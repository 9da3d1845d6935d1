"""The layout of SDTM LB."""

from collections.abc import Sequence

import polars as pl

from toxgrade.grading.specimens import names_other_specimen
from toxgrade.tabular.declared_cells import as_declared
from toxgrade.tabular.layout import Layout, adds_dates_only, check_mapped, root_names
from toxgrade.tabular.read_options import ReadOptions

SDTM_LB = "SDTM LB"
_SDTM = ("USUBJID", "LBORRES", "LBORRESU", "LBORNRLO", "LBORNRHI", "LBDTC")
_SDTM_STANDARD = {
    "LBORRES": "LBSTRESC", "LBORRESU": "LBSTRESU", "LBORNRLO": "LBSTNRLO", "LBORNRHI": "LBSTNRHI",
}  # fmt: skip


def sdtm_required(header: Sequence[str], options: ReadOptions) -> tuple[str, ...]:
    """Return the columns that SDTM LB needs: as reported, or all standardised."""
    code = "LBLOINC" if "LBLOINC" in header and "LBTESTCD" not in header else "LBTESTCD"
    names = [_standard(name, options) for name in _SDTM]
    return (names[0], code, *names[1:])


def _standard(name: str, options: ReadOptions) -> str:
    return _SDTM_STANDARD.get(name, name) if options.values == "standard" else name


def sdtm_layout(header: Sequence[str], file: str, options: ReadOptions) -> Layout:
    """Return the layout of SDTM LB: value, unit and range all as reported, or all standardised.

    So no value is compared with a range that was rounded in another unit. A test that was not done
    has no value, whatever its column holds. A mapping adds columns or replaces them; a value that
    it replaces has no unit, range and indicator but those of the mapping.
    """
    columns = options.columns
    mapped = {*columns.columns, *columns.constants}
    check_mapped(columns.columns.values(), header, file, options)
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
        ours["specimen"] = _specimen(header)
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
    name = SDTM_LB if adds_dates_only(columns) else f"{SDTM_LB} and a mapping"
    return Layout(name, as_declared(ours, options), named, root_names(ours.values()))


def _specimen(header: Sequence[str]) -> pl.Expr:
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
