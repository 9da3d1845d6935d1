"""Where patients began and how far they went: baseline grade by worst grade."""

from collections.abc import Mapping

import altair as alt
import polars as pl

from toxgrade.cohort.toxicity_table import ShiftTable
from toxgrade.server.web.charts.chart import DIGIT_COLOURS, WIDTH, Picture, grade_scale, ink

_CELLS = (34, 26)  # pixels: the larger one where all squares fit in one line
_MARGIN = 62


def shift(tables: Mapping[str, ShiftTable], phase: str, width: int = WIDTH) -> Picture:
    """One square of grades per row of the toxicity table, named by its label."""
    fits = [cell for cell in _CELLS if len(tables) * (cell * 6 + _MARGIN) <= width]
    cell = fits[0] if fits else _CELLS[0]
    squares = [_square(label, table, cell) for label, table in tables.items()]
    columns = max(1, width // (cell * 6 + _MARGIN))
    known = {label: sum(map(len, table.cells.values())) for label, table in tables.items()}
    counted = ", ".join(
        f"{label} n = {n}"
        + (
            f" ({len(tables[label].not_evaluable)} not evaluable)"
            * bool(tables[label].not_evaluable)
        )
        for label, n in known.items()
    )
    windows = {"acute": "acute", "late": "late", "both": "acute and late"}
    return Picture(
        alt.concat(*squares, columns=columns, spacing=24),
        f"Shift from baseline to worst grade, {windows[phase]}",
        "Number of patients by baseline grade and worst grade; coloured by the worst grade where it"
        f" is above the baseline. {counted}.",
    )


def _square(label: str, table: ShiftTable, cell: int) -> alt.LayerChart:
    rows = [
        (before, after, len(names), after if after > before else -1)
        for (before, after), names in sorted(table.cells.items())
    ]
    frame = pl.DataFrame(rows, schema=["baseline", "worst", "n", "shown"], orient="row")
    grades = list(range(6))
    base = alt.Chart(frame).encode(
        x=alt.X("worst:O", title="Worst grade", scale=alt.Scale(domain=grades, paddingInner=0.06),
                axis=alt.Axis(labelAngle=0, ticks=False, domain=False)),
        y=alt.Y("baseline:O", title="Baseline grade", sort="descending",
                scale=alt.Scale(domain=grades, paddingInner=0.06),
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

    empty = pl.DataFrame({"g": grades}).join(pl.DataFrame({"h": grades}), how="cross")
    grid = (
        alt.Chart(empty)
        .mark_rect(fillOpacity=0, stroke=ink("line"))
        .encode(x=alt.X("g:O"), y=alt.Y("h:O", sort="descending"),
                strokeWidth=alt.condition("datum.g == datum.h", alt.value(2.5), alt.value(1)))
    )  # fmt: skip
    cells = base.mark_rect(cornerRadius=2).encode(color=by_shift(colours))
    numbers = base.mark_text(fontWeight=600).encode(text="n:Q", color=by_shift(digits))
    layers: alt.LayerChart = alt.layer(cells, grid, numbers).resolve_scale(color="independent")
    title = alt.TitleParams(label, anchor="middle", fontSize=13)
    return layers.properties(width=cell * 6, height=cell * 6, title=title)
