"""Charts over time: the cumulative incidence of a grade, and the swimmer plot of all patients."""

from collections.abc import Sequence

import altair as alt
import polars as pl

from toxgrade.cohort.curves import IncidenceReport
from toxgrade.cohort.survival import Step
from toxgrade.cohort.swimmer import Lane, Swimmer
from toxgrade.server.web.charts.chart import Chart, digit_colour, grade_scale, ink
from toxgrade.server.web.charts.registry import WIDTH

PATIENTS_PER_CHART = 50
_DAYS_PER_MONTH = 365.25 / 12
_HEIGHT = 260
_LANE_HEIGHT, _NAMES_WIDTH, _DIGIT_WIDTH = 20, 90, 16


def incidence(report: IncidenceReport, width: int = WIDTH) -> Chart:
    """Return the curve of a report, its band and numbers at risk."""
    frame = _steps(report)
    last = float(frame["months"].max() or 0)  # type: ignore[arg-type]
    end = max(12, -(-int(last) // 6) * 6)
    scale = alt.Scale(domain=[0, end], nice=False)
    months = alt.X(
        "months:Q", scale=scale, title="Months from radiotherapy start",
        axis=alt.Axis(values=list(range(0, end + 1, _label_step(end, width))), grid=False),
    )  # fmt: skip
    share = alt.Scale(domain=[0, 1])
    base = alt.Chart(frame).encode(x=months)
    band = base.mark_area(interpolate="step-after", color=ink("accent"), opacity=0.18).encode(
        y=alt.Y("low:Q", scale=share), y2="high:Q"
    )
    curve = base.mark_line(interpolate="step-after", color=ink("accent"), strokeWidth=2).encode(
        y=alt.Y("estimate:Q", scale=share, title="Cumulative incidence", axis=alt.Axis(format="%"))
    )
    censored = (
        base.transform_filter("datum.censored > 0")
        .mark_tick(orient="vertical", color=ink("accent"), size=9, thickness=1)
        .encode(y=alt.Y("estimate:Q", scale=share))
    )
    points = base.mark_point(size=60, opacity=0).encode(
        y=alt.Y("estimate:Q", scale=share),
        tooltip=[
            alt.Tooltip("days:Q", title="Day"), alt.Tooltip("at_risk:Q", title="At risk"),
            alt.Tooltip("estimate:Q", title="Incidence", format=".1%"),
            alt.Tooltip("low:Q", title="95 % from", format=".1%"),
            alt.Tooltip("high:Q", title="to", format=".1%"),
        ],
    )  # fmt: skip
    upper = alt.layer(band, curve, censored, points).properties(width=width - 70, height=_HEIGHT)
    n, events = report.n, report.events
    return Chart(
        alt.vconcat(upper, _at_risk(report, scale, end, width), spacing=6),
        f"{report.row}: cumulative incidence of grade {report.grade} or higher",
        f"n = {n}: {events} with the grade, {report.competing} dead without,"
        f" {report.censored} censored (ticks); {len(report.undecided)} undecided."
        f" {report.definition}",
    )


def _steps(report: IncidenceReport) -> pl.DataFrame:
    """Return the curve from day 0 on; ``low`` and ``high`` are null where there are no limits."""
    start = {"days": 0, "at_risk": report.n, "censored": 0, "estimate": 0.0, "low": None,
             "high": None}  # fmt: skip
    rows = [start, *({name: getattr(step, name) for name in start} for step in report.steps)]
    schema = {
        "days": pl.Int64, "at_risk": pl.Int64, "censored": pl.Int64, "estimate": pl.Float64,
        "low": pl.Float64, "high": pl.Float64,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema).with_columns(months=pl.col("days") / _DAYS_PER_MONTH)


def _at_risk(report: IncidenceReport, scale: alt.Scale, end: int, width: int) -> alt.Chart:
    """Return the numbers of patients still followed at each labelled month."""
    labelled = range(0, end + 1, _label_step(end, width))
    ends = [step.days for step in report.steps for _ in range(_ended(step))]
    rows = [(m, sum(1 for day in ends if day >= m * _DAYS_PER_MONTH)) for m in labelled]
    frame = pl.DataFrame(rows, schema={"months": pl.Float64, "n": pl.Int64}, orient="row")
    text: alt.Chart = alt.Chart(frame).mark_text(fontSize=11, color=ink("soft"))
    title = alt.TitleParams("At risk", anchor="start", fontSize=11, color=ink("soft"), offset=2)
    text = text.properties(width=width - 70, height=14, title=title)
    return text.encode(x=alt.X("months:Q", scale=scale, axis=None), text="n:Q")


def _ended(step: Step) -> int:
    return step.events + step.competing + step.censored


def _label_step(end: int, width: int) -> int:
    """Return the months between labels, at most one of which is drawn per 45 pixels of width."""
    most = max(2, width // 45)
    return next((step for step in (1, 2, 3, 6, 12, 24) if end / step <= most), 60)


def swimmer(found: Swimmer, page: int = 1, width: int = WIDTH) -> Chart:
    """Return up to 50 patients, the longest followed first, on the time scale of all patients."""
    ordered = sorted(found.lanes, key=lambda lane: (-lane.end, lane.patient))
    start = (page - 1) * PATIENTS_PER_CHART
    shown = ordered[start : page * PATIENTS_PER_CHART]
    longest = max((lane.end for lane in found.lanes), default=0) / _DAYS_PER_MONTH
    end = max(12, 6 * (int(longest // 6) + 1))
    step = next((s for s in (1, 2, 3, 6, 12, 24) if end / s <= width / 45), 60)
    x = alt.X(
        "month:Q", scale=alt.Scale(domain=[0, end], nice=False),
        title="Months from radiotherapy start", axis=alt.Axis(values=list(range(0, end + 1, step))),
    )  # fmt: skip
    gap = _DIGIT_WIDTH * end * _DAYS_PER_MONTH / (width - _NAMES_WIDTH)
    names = [lane.patient for lane in shown]
    y = alt.Y(
        "patient:N", sort=names, title=None, scale=alt.Scale(domain=names),
        axis=alt.Axis(ticks=False, domain=False, labelLimit=_NAMES_WIDTH, labelPadding=12),
    )  # fmt: skip
    layers: alt.LayerChart = alt.layer(*_layers(shown, x, y, gap)).resolve_scale(
        color="independent"
    )
    died = sum(lane.died for lane in found.lanes)
    part = f" Patients {start + 1} to {start + len(shown)}."
    return Chart(
        layers.properties(width=width - _NAMES_WIDTH, height=_LANE_HEIGHT * max(1, len(shown))),
        "From radiotherapy to the last contact",
        f"n = {len(found.lanes)} patients, {died} died (dagger; arrow: alive at the last contact)."
        f"{part} Short block: radiotherapy. A digit marks the first day on which a grade worse than"
        " the patient's own baseline was higher than any before, over all rows of the toxicity"
        f" table; moved right where two would overlap.{_not_drawn(found)}",
    )


def _not_drawn(found: Swimmer) -> str:
    """Return sentences on what the lanes do not show exactly; empty if they show everything."""
    sentences = [
        (len(found.undecided), "{} patients may have reached a higher grade than drawn"),
        (len(found.inexact), "{} have a digit on the first possible day of a date not exact"),
        (found.other_courses, "{} results of later courses have no digit"),
    ]
    return "".join(f" {text.format(n)}." for n, text in sentences if n)


def _layers(shown: Sequence[Lane], x: alt.X, y: alt.Y, gap: float) -> list[alt.Chart]:
    """Return the lanes, courses of radiotherapy, ends and digits of the patients."""
    tooltip = [alt.Tooltip("patient:N", title="Patient"), alt.Tooltip("days:Q", title="Day")]
    bars = _frame([(lane.patient, 0, lane.end, 0) for lane in shown])
    treated = _frame(
        [(lane.patient, start, stop, 0) for lane in shown for start, stop in lane.treated]
    )
    ends = _frame([(lane.patient, lane.end, None, int(lane.died)) for lane in shown])
    reached = _frame(
        [(lane.patient, *digit) for lane in shown for digit in _spread_digits(lane, gap)]
    )
    marks = alt.Chart(reached.with_columns(month="to")).encode(
        x=x, y=y, tooltip=[*tooltip, alt.Tooltip("grade:O", title="Grade")]
    )
    return [
        alt.Chart(bars).mark_bar(height=9, color=ink("line"), cornerRadius=2).encode(
            x=x, x2="to:Q", y=y, tooltip=tooltip
        ),
        alt.Chart(treated).mark_bar(height=9, color=ink("soft")).encode(x=x, x2="to:Q", y=y),
        alt.Chart(ends)
        .transform_calculate(mark="datum.grade ? '†' : '▸'")
        .mark_text(align="left", dx=3, fontSize=13, color=ink("ink"))
        .encode(x=x, y=y, text="mark:N", tooltip=tooltip),
        marks.mark_square(size=210, opacity=1, stroke=ink("paper"), strokeWidth=1).encode(
            color=alt.Color("grade:O", scale=grade_scale(), legend=None)
        ),
        marks.mark_text(fontSize=10, fontWeight=700).encode(text="grade:O", color=digit_colour()),
    ]  # fmt: skip


def _spread_digits(lane: Lane, gap: float) -> list[tuple[int, int, int]]:
    """Return each digit's day, the day it is drawn at (at least ``gap`` apart), and its grade."""
    digits: list[tuple[int, int, int]] = []
    for day, grade in lane.reached:
        at = max(day, round(digits[-1][1] + gap)) if digits else day
        digits.append((day, at, grade))
    return digits


def _frame(rows: Sequence[tuple[str, int, int | None, int]]) -> pl.DataFrame:
    """Return rows with their days as months of the axis; ``to`` is null for a moment."""
    schema = {"patient": pl.String, "days": pl.Int64, "until": pl.Int64, "grade": pl.Int64}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return frame.with_columns(
        month=pl.col("days") / _DAYS_PER_MONTH, to=pl.col("until") / _DAYS_PER_MONTH
    )
