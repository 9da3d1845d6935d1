"""Charts of worst grades: by baseline grade (shift), and acute beside late (butterfly)."""

from collections.abc import Mapping

import altair as alt
import polars as pl

from toxgrade.cohort.shift_table import ShiftTable
from toxgrade.cohort.toxicity_table import ToxicityTable
from toxgrade.server.web.charts.chart import DIGIT_COLOURS, Chart, digit_colour, grade_scale, ink
from toxgrade.server.web.charts.registry import WIDTH

_CELL_SIZES = (34, 26)  # The smaller is used only if all squares then fit in one line.
_MARGIN = 62
_LABELS_WIDTH, _BAR_HEIGHT, _DIGIT_WIDTH = 128, 26, 9
_STACKED_BELOW = 560
"""In pixels, as all of these: below this width, the two windows stand one above the other."""

_ABNORMAL = "abnormal"
_CELLS = {"baseline": pl.String, "worst": pl.Int64, "n": pl.Int64, "shown": pl.Int64}
_SCHEMA = {
    "side": pl.String, "row": pl.String, "grade": pl.Int64, "n": pl.Int64,
    "start": pl.Float64, "end": pl.Float64,
}  # fmt: skip


def shift(tables: Mapping[str, ShiftTable], phase: str, width: int = WIDTH) -> Chart:
    """Return one square of grades per row of the toxicity table, with the row's label as title."""
    fits = [cell for cell in _CELL_SIZES if len(tables) * (cell * 6 + _MARGIN) <= width]
    cell = fits[0] if fits else _CELL_SIZES[0]
    squares = [_square(label, table, cell) for label, table in tables.items()]
    columns = max(1, width // (cell * 6 + _MARGIN))
    counted = ", ".join(_counted(label, table) for label, table in tables.items())
    itself = any(table.itself for table in tables.values())
    windows = {"acute": "acute", "late": "late", "both": "acute and late"}
    return Chart(
        alt.concat(*squares, columns=columns, spacing=24),
        f"Shift from baseline to worst grade, {windows[phase]}",
        "Number of patients by baseline grade and worst grade; coloured by the worst grade where it"
        f" is above the baseline. {counted}."
        + " Abnormal: the baseline is, and the grades are multiples of it, so it is compared with"
        " itself." * itself,
    )


def _counted(label: str, table: ShiftTable) -> str:
    """Return the numbers of patients in a square, and of those who may be elsewhere."""
    n = sum(map(len, (*table.cells.values(), *table.itself.values())))
    beside = {"not evaluable": table.not_evaluable, "could be higher": table.could_be_higher}
    notes = [f"{len(names)} {what}" for what, names in beside.items() if names]
    return f"{label} n = {n}" + (f" ({', '.join(notes)})" if notes else "")


def _square(label: str, table: ShiftTable, cell: int) -> alt.LayerChart:
    """Return one square, coloured where the worst grade is above the baseline grade.

    Abnormal baselines that are compared with themselves have a line of their own, if there are any.
    """
    rows = [
        (str(before), after, len(names), after if after > before else -1)
        for (before, after), names in sorted(table.cells.items())
    ]
    for after, names in sorted(table.itself.items()):
        rows.append((_ABNORMAL, after, len(names), after or -1))
    frame = pl.DataFrame(rows, schema=_CELLS, orient="row")
    grades = list(range(6))
    before = [*map(str, reversed(grades)), *([_ABNORMAL] if table.itself else [])]
    height = cell * len(before)
    base = alt.Chart(frame).encode(
        x=alt.X("worst:O", title="Worst grade", scale=alt.Scale(domain=grades, paddingInner=0.06),
                axis=alt.Axis(labelAngle=0, ticks=False, domain=False)),
        y=alt.Y("baseline:O", title="Baseline grade", sort=before,
                scale=alt.Scale(domain=before, paddingInner=0.06),
                axis=alt.Axis(ticks=False, domain=False)),
        tooltip=[
            alt.Tooltip("baseline:O", title="Baseline grade"),
            alt.Tooltip("worst:O", title="Worst grade"), alt.Tooltip("n:Q", title="Patients"),
        ],
    )  # fmt: skip
    colours = [ink("raised"), *grade_scale().to_dict()["range"][1:]]
    digits = [ink("ink"), *DIGIT_COLOURS[1:]]
    shown = [-1, *grades[1:]]

    def by_shift(colours: list[str]) -> alt.Color:
        return alt.Color("shown:O", legend=None, scale=alt.Scale(domain=shown, range=colours))

    empty = pl.DataFrame({"g": grades}).join(pl.DataFrame({"h": before}), how="cross")
    grid = (
        alt.Chart(empty)
        .mark_rect(fillOpacity=0, stroke=ink("line"))
        .encode(x=alt.X("g:O"), y=alt.Y("h:O", sort=before),
                strokeWidth=alt.condition("datum.g == datum.h", alt.value(2.5), alt.value(1)))
    )  # fmt: skip
    cells = base.mark_rect(cornerRadius=2).encode(color=by_shift(colours))
    numbers = base.mark_text(fontWeight=600).encode(text="n:Q", color=by_shift(digits))
    layers: alt.LayerChart = alt.layer(cells, grid, numbers).resolve_scale(color="independent")
    title = alt.TitleParams(label, anchor="middle", fontSize=13)
    return layers.properties(width=cell * 6, height=height, title=title)


def butterfly(acute: ToxicityTable, late: ToxicityTable, width: int = WIDTH) -> Chart:
    """Return the percentages of all patients by worst grade 1 to 5, both windows on one scale.

    Where the width is small, the windows stand one above the other.
    """
    tables = {"Acute": acute, "Late": late}
    rows = [row for side, table in tables.items() for row in _segments(side, table)]
    frame = pl.DataFrame(rows, schema=_SCHEMA, orient="row")
    labels = [count.row.label for count in acute.rows if count.kind == "worst"]
    most = max((row[-1] for row in rows), default=0)
    end = min(100, max(20, -(-int(most) // 10) * 10 + 5))
    if width < _STACKED_BELOW:
        full = max(120, width - _LABELS_WIDTH - 20)
        chart: alt.TopLevelMixin = alt.vconcat(
            *(_side(frame, side, labels, end, full) for side in tables)
        )
    else:
        half = (width - _LABELS_WIDTH - 40) // 2
        left, right = (_side(frame, side, labels, end, half, names=False) for side in tables)
        chart = alt.hconcat(left, _names(labels), right, spacing=4)
    return Chart(
        chart,
        "Worst grades, acute and late",
        f"Percent of all {acute.n_patients} patients by worst grade: the digit on the bar, the"
        " highest beside the labels; a piece too narrow has none. Grade 0 is not drawn.",
    )


def _segments(side: str, table: ToxicityTable) -> list[tuple[str, str, int, int, float, float]]:
    """Return the segments of each bar, the highest grade next to the labels."""
    segments = []
    for count in table.rows:
        if count.kind == "baseline":
            continue
        start = 0.0
        for grade in range(5, 0, -1):
            if k := len(count.by_grade[grade]):
                end = start + 100 * k / table.n_patients
                segments.append((side, count.row.label, grade, k, start, end))
                start = end
    return segments


def _side(
    frame: pl.DataFrame, side: str, labels: list[str], end: int, width: int, *, names: bool = True
) -> alt.LayerChart:
    scale = alt.Scale(domain=[0, end], reverse=not names and side == "Acute", nice=False)
    axis = alt.Axis(title=None, ticks=False, domain=False, labelPadding=8) if names else None
    base = alt.Chart(frame.filter(pl.col("side") == side)).encode(
        x=alt.X("start:Q", scale=scale, title="% of patients", axis=alt.Axis(tickCount=4)),
        y=alt.Y("row:N", sort=labels, scale=alt.Scale(domain=labels), axis=axis),
        tooltip=[
            alt.Tooltip("row:N", title="Toxicity"), alt.Tooltip("side:N", title="Window"),
            alt.Tooltip("grade:O", title="Grade"), alt.Tooltip("n:Q", title="Patients"),
        ],
    )  # fmt: skip
    bars = base.mark_bar(height=_BAR_HEIGHT - 8, stroke=ink("paper"), strokeWidth=1).encode(
        x2="end:Q", color=alt.Color("grade:O", scale=grade_scale(), legend=None)
    )
    fits = f"datum.end - datum.start >= {_DIGIT_WIDTH * end / width}"
    digits = (
        base.transform_filter(fits)
        .transform_calculate(middle="(datum.start + datum.end) / 2")
        .mark_text(fontWeight=600, fontSize=11)
        .encode(x=alt.X("middle:Q", scale=scale), text="grade:O", color=digit_colour())
    )
    layers: alt.LayerChart = alt.layer(bars, digits).resolve_scale(color="independent")
    title = alt.TitleParams(side, anchor="middle", fontSize=13)
    return layers.properties(width=width, height=_BAR_HEIGHT * len(labels), title=title)


def _names(labels: list[str]) -> alt.Chart:
    """Return the labels of the rows, for the space between the two sides."""
    y = alt.Y("row:N", sort=labels, scale=alt.Scale(domain=labels), axis=None)
    text: alt.Chart = alt.Chart(pl.DataFrame({"row": labels})).mark_text(
        align="center", fontSize=12
    )
    text = text.properties(width=_LABELS_WIDTH, height=_BAR_HEIGHT * len(labels))
    return text.encode(y=y, text="row:N")
