"""eDISH, evaluation of drug-induced serious hepatotoxicity: each patient's peak ALT and bilirubin.

The quadrants divide at ALT 3 x ULN and bilirubin 2 x ULN, after the FDA's guidance on drug-induced
liver injury (July 2009), or by baseline (mDISH) at ALT 3.8 x and bilirubin 4.8 x (Lin et al., Drug
Saf 2012;35:865-875). For review, never a diagnosis: the two peaks need not be of one day.
"""

import math
from collections import Counter
from fractions import Fraction

import altair as alt
import polars as pl

from toxgrade.cohort.definition import By
from toxgrade.cohort.edish import Peaks
from toxgrade.cohort.liver import Peak
from toxgrade.server.web.charts.chart import Chart, ink
from toxgrade.server.web.charts.registry import WIDTH

_LINES: dict[By, tuple[Fraction, Fraction]] = {
    "uln": (Fraction(3), Fraction(2)),
    "baseline": (Fraction("3.8"), Fraction("4.8")),
}
_UNITS: dict[By, str] = {"uln": "x ULN", "baseline": "x baseline"}
_LOW, _HIGH = 0.1, 100.0
_MAX_DOTS = 1000  # If more patients are near normal, they are drawn as counts on a grid.
_STEPS = 20  # That grid has so many steps per decade.
_SCHEMA = {
    "patient": pl.String, "alt": pl.Float64, "bilirubin": pl.Float64, "quadrant": pl.String,
    "could_be_higher": pl.Boolean,
}  # fmt: skip
_DECADES = "indexof([0.01, 0.1, 1, 10, 100, 1000, 10000], datum.value) >= 0 ? datum.label : ''"
_QUADRANTS = {
    (False, False): "Near normal",
    (True, False): "Temple's corollary",
    (False, True): "Cholestasis",
    (True, True): "Hy's law range",
}
_NEAR_NORMAL = _QUADRANTS[False, False]


def edish(peaks: Peaks, n_patients: int, by: By = "uln", width: int = WIDTH) -> Chart:
    """Return a dot per patient with both analytes; those near normal in a large study as counts.

    A dot stands at what is certain; ``could_be_higher``: unknown phases or limits may move it.
    """
    both = {
        name: (of_patient["ALT"], of_patient["bilirubin"])
        for name, of_patient in peaks.items()
        if {"ALT", "bilirubin"} <= of_patient.keys()
    }
    lines = _LINES[by]
    rows = [
        (name, float(a.at_least), float(b.at_least), _quadrant(a.at_least, b.at_least, lines),
         a.could_be_higher or b.could_be_higher)
        for name, (a, b) in both.items()
        if a.at_least and b.at_least
    ]  # fmt: skip
    frame = pl.DataFrame(rows, schema=_SCHEMA, orient="row")
    counts = Counter(row[3] for row in rows)
    if counts[_NEAR_NORMAL] > _MAX_DOTS:
        near = pl.col("quadrant") == _NEAR_NORMAL
        frame = pl.concat([frame.filter(~near), _gridded(frame.filter(near))])
    listed = ", ".join(f"{title} {counts[title]}" for title in _QUADRANTS.values())
    alt_line, bilirubin_line = (f"{float(line):g} {_UNITS[by]}" for line in lines)
    higher = sum(_may_cross(each, lines) for each in both.values())
    doubt = f" {higher} could lie in a higher quadrant: phase, date or limit unknown." * bool(
        higher
    )
    return Chart(
        _chart(frame, counts, by, width),
        "eDISH: peak ALT and peak bilirubin after radiotherapy start",
        f"n = {len(rows)} of {n_patients} patients with both as multiples of"
        f" {_UNITS[by][2:]}; the peaks need not be of one day. Lines: ALT {alt_line}, bilirubin"
        f" {bilirubin_line}. {listed}.{doubt} For review, not a diagnosis.",
    )


def _quadrant(alt: Fraction, bilirubin: Fraction, lines: tuple[Fraction, Fraction]) -> str:
    return _QUADRANTS[alt >= lines[0], bilirubin >= lines[1]]


def _may_cross(peaks: tuple[Peak, Peak], lines: tuple[Fraction, Fraction]) -> bool:
    """Return whether an analyte is not certainly above its line, but may be."""
    return any(
        (peak.at_least or 0) < line and peak.could_be_higher
        and (peak.at_most is None or peak.at_most >= line)
        for peak, line in zip(peaks, lines, strict=True)
    )  # fmt: skip


def _gridded(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the patients moved to a grid, so that those close together share one place."""
    return frame.with_columns(
        (10 ** ((pl.col(name).clip(_LOW / 10).log10() * _STEPS).round() / _STEPS)).alias(name)
        for name in ("alt", "bilirubin")
    )


def _dots(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a row per place: number of patients, up to three names, the patient if only one."""
    names = pl.col("patient").sort()
    more = pl.when(pl.len() > 3).then(pl.lit(" …")).otherwise(pl.lit(""))
    return frame.group_by("alt", "bilirubin", "quadrant", maintain_order=True).agg(
        pl.len().alias("n"),
        (names.head(3).str.join(", ") + more).alias("names"),
        pl.when(pl.len() == 1).then(pl.col("patient").first()).alias("patient"),
        pl.col("could_be_higher").any(),
    )


def _chart(
    frame: pl.DataFrame, counts: Counter[str], by: By, width: int
) -> alt.LayerChart | alt.FacetChart:
    """Return the dots with the lines, names and counts of the quadrants, on log scales."""
    scales = [_scale(frame[name].max()) for name in ("alt", "bilirubin")]
    axis = alt.Axis(format="~f", grid=False, labelExpr=_DECADES)
    x = alt.X("alt:Q", scale=scales[0], title=f"Peak ALT, {_UNITS[by]}", axis=axis)
    y = alt.Y("bilirubin:Q", scale=scales[1], title=f"Peak bilirubin, {_UNITS[by]}", axis=axis)
    lines = [
        alt.Chart(pl.DataFrame({name: [float(limit)]}))
        .mark_rule(strokeDash=[5, 4], color=ink("soft"))
        .encode(**{channel: encoding})
        for name, limit, channel, encoding in (
            ("alt", _LINES[by][0], "x", x), ("bilirubin", _LINES[by][1], "y", y),
        )
    ]  # fmt: skip
    tooltip = [
        alt.Tooltip("names:N", title="Patients"), alt.Tooltip("alt:Q", title="ALT", format=".2~f"),
        alt.Tooltip("bilirubin:Q", title="Bilirubin", format=".2~f"),
        alt.Tooltip("n:Q", title="n"),
    ]  # fmt: skip
    base = alt.Chart(_dots(frame)).encode(x=x, y=y)
    dots = base.mark_circle(opacity=0.75, stroke=ink("paper"), strokeWidth=0.7).encode(
        size=alt.Size("n:Q", legend=None, scale=alt.Scale(range=[55, 500], domain=[1, 100])),
        color=alt.Color("quadrant:N", legend=None, scale=_colours()),
        tooltip=tooltip,
    )
    outside = frame.filter(pl.col("quadrant") != _NEAR_NORMAL)
    labels = (
        alt.Chart(_dots(_gridded(outside)))
        .encode(x=x, y=y)
        .mark_text(align="left", dx=8, dy=1, fontSize=11)
        .encode(text="names:N")
    )
    layers: alt.LayerChart | alt.FacetChart = alt.layer(
        *lines, dots, labels, *_corners(counts, x, y, scales)
    )
    return layers.properties(width=width - 60, height=min(440, max(300, width - 120)))


def _scale(highest: object) -> alt.Scale:
    """Return the scale from 0.1 to 100, the same for every study unless a peak is higher."""
    top = highest if isinstance(highest, float) else 0.0
    end = max(_HIGH, 10 ** math.ceil(math.log10(top))) if top else _HIGH
    return alt.Scale(type="log", domain=[_LOW, end], nice=False, clamp=True)


def _colours() -> alt.Scale:
    return alt.Scale(
        domain=list(_QUADRANTS.values()),
        range=[ink("rule"), ink("grade-2"), ink("grade-3"), ink("grade-4")],
    )


def _corners(counts: Counter[str], x: alt.X, y: alt.Y, scales: list[alt.Scale]) -> list[alt.Chart]:
    """Return the name and count of each quadrant, as a text in its corner."""
    (left, right), (bottom, top) = (scale.to_dict()["domain"] for scale in scales)
    charts = []
    for (high_alt, high_bilirubin), title in _QUADRANTS.items():
        place = pl.DataFrame(
            {
                "alt": [right if high_alt else left],
                "bilirubin": [top if high_bilirubin else bottom],
                "text": [f"{title}: {counts[title]}"],
            }
        )
        mark = alt.Chart(place).mark_text(
            align="right" if high_alt else "left", dx=-6 if high_alt else 6,
            baseline="top" if high_bilirubin else "bottom", dy=6 if high_bilirubin else -6,
            fontWeight=600, fontSize=12, color=ink("soft"),
        )  # fmt: skip
        charts.append(mark.encode(x=x, y=y, text="text:N"))
    return charts
