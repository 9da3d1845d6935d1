"""Read options that change nothing, as the files are: refused, as who gives one expects something.

A sheet of a CSV, or the standard results of an export that has but one kind, would otherwise be
passed over without a word.
"""

from collections.abc import Iterator, Sequence

from toxgrade.errors import FileError
from toxgrade.tabular.layout import Layout
from toxgrade.tabular.read_options import DEFAULT_OPTIONS, ReadOptions
from toxgrade.tabular.sdtm import SDTM_LB
from toxgrade.tabular.table import Table

_WITH_ROWS = {"csv", "tsv", "xlsx"}
_ONLY_FOR = {
    "encoding": ({"csv", "tsv", "xpt"}, "--encoding is for CSV, TSV and XPT"),
    "delimiter": ({"csv", "tsv"}, "--delimiter is for CSV and TSV"),
    "sheet": ({"xlsx", "xpt"}, "--sheet is for a workbook or a SAS library"),
    "header_row": (_WITH_ROWS, "--header-row is for CSV, TSV and XLSX"),
    "header_rows": (_WITH_ROWS, "--header-rows is for CSV, TSV and XLSX"),
    "skip_rows": (_WITH_ROWS, "--skip-rows is for CSV, TSV and XLSX"),
    "timezone": ({"parquet"}, "--timezone is for Parquet, whose timestamps may be instants"),
}
"""By field of ``ReadOptions``: the kinds of files for which it means something."""


def refuse_idle(options: ReadOptions, tables: Sequence[Table], layout: Layout) -> None:
    """Refuse options that change nothing for the files of a run.

    ``tables``: the labs' and the patients'; ``layout``: the labs'.

    Raises:
        FileError: names the option and what it is for.
    """
    if fault := next(_idle(options, tables, layout), None):
        raise FileError(f"{tables[0].name}: {fault}")


def _idle(options: ReadOptions, tables: Sequence[Table], layout: Layout) -> Iterator[str]:
    kinds = {table.kind for table in tables}
    for field, (accepted, text) in _ONLY_FOR.items():
        if getattr(options, field) != getattr(DEFAULT_OPTIONS, field) and not kinds & accepted:
            yield text
    if options.century is not None and not any("%y" in form for form in options.dates):
        yield "--century is for forms of --dates with years of two digits, as %d.%m.%y"
    if options.values == "standard" and not layout.name.startswith(SDTM_LB):
        yield "--values standard is for SDTM LB, which has standard results beside the reported"
    if options.baseline == "flag" and "baseline" not in layout.ours:
        yield "--baseline flag: there is no column of baseline flags (baseline, LBLOBXFL, LBBLFL)"
