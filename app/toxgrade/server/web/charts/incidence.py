"""Cumulative incidence of a grade: the share of patients that had reached it, by time."""

from typing import Any

import altair as alt
import polars as pl

from toxgrade.server.web.charts.chart import WIDTH, Picture, ink

_DAYS_PER_MONTH = 365.25 / 12
_HEIGHT = 260


def incidence(document: dict[str, Any], width: int = WIDTH) -> Picture:
    """The curve of ``cohort.curves.incidence_document`` with its band and the numbers at risk."""
    frame = _steps(document)
    last = float(frame["months"].max() or 0)  # type: ignore[arg-type]
    end = max(12, -(-int(last) // 6) * 6)
    scale = alt.Scale(domain=[0, end], nice=False)
    months = alt.X(
        "months:Q", scale=scale, title="Months from radiotherapy start",
        axis=alt.Axis(values=list(range(0, end + 1, _every(end, width))), grid=False),
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
    n, events = document["n"], document["events"]
    return Picture(
        alt.vconcat(upper, _at_risk(document, scale, end, width), spacing=6),
        f"{document['row']}: cumulative incidence of grade {document['grade']} or higher",
        f"n = {n}: {events} with the grade, {document['competing']} dead without,"
        f" {document['censored']} censored (ticks). {document['definition']}",
    )


def _steps(document: dict[str, Any]) -> pl.DataFrame:
    """The curve from day 0 on; no limits where the estimate has none."""
    start = {"days": 0, "at_risk": document["n"], "censored": 0, "estimate": 0.0, "low": None,
             "high": None}  # fmt: skip
    rows = [start, *({name: step[name] for name in start} for step in document["steps"])]
    schema = {
        "days": pl.Int64, "at_risk": pl.Int64, "censored": pl.Int64, "estimate": pl.Float64,
        "low": pl.Float64, "high": pl.Float64,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema).with_columns(months=pl.col("days") / _DAYS_PER_MONTH)


def _at_risk(document: dict[str, Any], scale: alt.Scale, end: int, width: int) -> alt.Chart:
    """How many are still followed at each labelled month."""
    labelled = range(0, end + 1, _every(end, width))
    ends = [step["days"] for step in document["steps"] for _ in range(_ended(step))]
    rows = [(m, sum(1 for day in ends if day >= m * _DAYS_PER_MONTH)) for m in labelled]
    frame = pl.DataFrame(rows, schema={"months": pl.Float64, "n": pl.Int64}, orient="row")
    text: alt.Chart = alt.Chart(frame).mark_text(fontSize=11, color=ink("soft"))
    title = alt.TitleParams("At risk", anchor="start", fontSize=11, color=ink("soft"), offset=2)
    text = text.properties(width=width - 70, height=14, title=title)
    return text.encode(x=alt.X("months:Q", scale=scale, axis=None), text="n:Q")


def _ended(step: dict[str, Any]) -> int:
    return int(step["events"]) + int(step["competing"]) + int(step["censored"])


def _every(end: int, width: int) -> int:
    """Months between labels: about 40 pixels apart."""
    most = max(2, width // 45)
    return next((step for step in (1, 2, 3, 6, 12, 24) if end / step <= most), 60)
