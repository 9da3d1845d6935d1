"""Each patient as a bar from radiotherapy to the last contact, with the grades on the way."""

from collections.abc import Sequence

import altair as alt
import polars as pl

from toxgrade.server.reports.chart_data import Lane
from toxgrade.server.web.charts.chart import WIDTH, Picture, digit_colour, grade_scale, ink

PER_PICTURE = 50
_MONTH = 365.25 / 12
_LANE = 20
_NAMES = 90
_DIGIT = 16  # pixels


def swimmer(found: Sequence[Lane], page: int = 1, width: int = WIDTH) -> Picture:
    """Up to 50 patients, the longest followed first; the scale of time is that of all of them."""
    ordered = sorted(found, key=lambda lane: (-lane.end, lane.patient))
    shown = ordered[(page - 1) * PER_PICTURE : page * PER_PICTURE]
    longest = max((lane.end for lane in found), default=0) / _MONTH
    end = max(12, 6 * (int(longest // 6) + 1))
    step = next((s for s in (1, 2, 3, 6, 12, 24) if end / s <= width / 45), 60)
    x = alt.X(
        "month:Q", scale=alt.Scale(domain=[0, end], nice=False),
        title="Months from radiotherapy start", axis=alt.Axis(values=list(range(0, end + 1, step))),
    )  # fmt: skip
    gap = _DIGIT * end * _MONTH / (width - _NAMES)
    names = [lane.patient for lane in shown]
    y = alt.Y(
        "patient:N", sort=names, title=None, scale=alt.Scale(domain=names),
        axis=alt.Axis(ticks=False, domain=False, labelLimit=_NAMES, labelPadding=12),
    )  # fmt: skip
    layers: alt.LayerChart = alt.layer(*_layers(shown, x, y, gap)).resolve_scale(
        color="independent"
    )
    died = sum(lane.died for lane in found)
    part = f" Patients {(page - 1) * PER_PICTURE + 1} to {(page - 1) * PER_PICTURE + len(shown)}."
    return Picture(
        layers.properties(width=width - _NAMES, height=_LANE * max(1, len(shown))),
        "From radiotherapy to the last contact",
        f"n = {len(found)} patients, {died} died (dagger; arrow: alive at the last contact).{part}"
        " Short block: radiotherapy. A digit marks the first day on which a grade worse than the"
        " patient's own baseline was higher than any before, over all rows of the toxicity table;"
        " moved right where two would overlap.",
    )


def _layers(shown: Sequence[Lane], x: alt.X, y: alt.Y, gap: float) -> list[alt.Chart]:
    told = [alt.Tooltip("patient:N", title="Patient"), alt.Tooltip("days:Q", title="Day")]
    bars = _frame([(lane.patient, 0, lane.end, 0) for lane in shown])
    treated = _frame(
        [(lane.patient, start, stop, 0) for lane in shown for start, stop in lane.treated]
    )
    ends = _frame([(lane.patient, lane.end, None, int(lane.died)) for lane in shown])
    reached = _frame([(lane.patient, *digit) for lane in shown for digit in _apart(lane, gap)])
    marks = alt.Chart(reached.with_columns(month="to")).encode(
        x=x, y=y, tooltip=[*told, alt.Tooltip("grade:O", title="Grade")]
    )
    return [
        alt.Chart(bars).mark_bar(height=9, color=ink("line"), cornerRadius=2).encode(
            x=x, x2="to:Q", y=y, tooltip=told
        ),
        alt.Chart(treated).mark_bar(height=9, color=ink("soft")).encode(x=x, x2="to:Q", y=y),
        alt.Chart(ends)
        .transform_calculate(mark="datum.grade ? '†' : '▸'")
        .mark_text(align="left", dx=3, fontSize=13, color=ink("ink"))
        .encode(x=x, y=y, text="mark:N", tooltip=told),
        marks.mark_square(size=210, opacity=1, stroke=ink("paper"), strokeWidth=1).encode(
            color=alt.Color("grade:O", scale=grade_scale(), legend=None)
        ),
        marks.mark_text(fontSize=10, fontWeight=700).encode(text="grade:O", color=digit_colour()),
    ]  # fmt: skip


def _apart(lane: Lane, gap: float) -> list[tuple[int, int, int]]:
    """Each digit's day, the day it is drawn at (``gap`` days after the one before), its grade."""
    digits: list[tuple[int, int, int]] = []
    for day, grade in lane.reached:
        at = max(day, round(digits[-1][1] + gap)) if digits else day
        digits.append((day, at, grade))
    return digits


def _frame(rows: Sequence[tuple[str, int, int | None, int]]) -> pl.DataFrame:
    """Days as months of the axis; ``to`` null for what is a moment."""
    schema = {"patient": pl.String, "days": pl.Int64, "until": pl.Int64, "grade": pl.Int64}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return frame.with_columns(month=pl.col("days") / _MONTH, to=pl.col("until") / _MONTH)
