"""One patient over time: a panel per analyte with the grades' bands behind the results.

It is written as Vega-Lite, because eight panels took 3 s to build with Altair, and take 10 ms so.
"""

from collections.abc import Sequence
from datetime import date

from toxgrade.cohort.timeline import X_ULN, Event, Panel, Point
from toxgrade.grading.phase import Window
from toxgrade.server.reports.timeline import Timeline
from toxgrade.server.web.charts.chart import DIGIT_COLOURS, GRADES, Chart, Spec, ink
from toxgrade.server.web.charts.registry import WIDTH

_DAYS_PER_MONTH = 365.25 / 12
_HEIGHT = 92
_AXIS_WIDTH = 58
_FROM, _TO = -2, 12  # Most patients share this scale, in months.

_GRADE = {"field": "grade", "type": "ordinal", "legend": None}
_COLOUR = _GRADE | {
    "scale": {"domain": list(GRADES), "range": [ink(f"grade-{grade}") for grade in GRADES]}
}
_DIGIT = _GRADE | {"scale": {"domain": list(GRADES), "range": list(DIGIT_COLOURS)}}
_IS_BASELINE = "datum.phase === 'baseline'"


def timeline(patient: str, found: Timeline, window: Window, width: int = WIDTH) -> Chart:
    """Return the stored results of a patient on one time axis and value scales that all share."""
    time = _TimeAxis(found, window, max(200, width - _AXIS_WIDTH))
    last = None if found.events or not found.panels else found.panels[-1]
    panels = [_panel(panel, time, labels=panel is last) for panel in found.panels]
    if found.events or not panels:
        panels.append(_events(found.events, time))
    points = [point for panel in found.panels for point in panel.points]
    drawn = [point for point in points if point.day]
    return Chart(
        {"vconcat": panels, "spacing": 10},
        f"{patient}: results and grades over time",
        f"n = {len(drawn)} results; {len(points) - len(drawn)} without a day are not drawn. Dots"
        " have the colour and digit of their grade, tinted bands are the grades by the last range"
        " and the baseline. Diamond: baseline. Hollow: undecided, at the lower edge for want of a"
        " ULN. Small cross: corrected, withdrawn or not final. Grey block: radiotherapy. Dashed"
        " line: end of the acute window.",
    )


class _TimeAxis:
    """The time axis, in months from the start, and what is drawn behind every panel."""

    def __init__(self, found: Timeline, window: Window, width: int) -> None:
        days = [p.day for panel in found.panels for p in panel.points if p.day]
        days += [event.day for event in found.events]
        starts = [course.start for course in found.courses if course.start]
        self.origin = starts[0] if starts else min(days, default=date(2000, 1, 1))
        self.width = width
        months = [self.month(day) for day in days]
        low = min([_FROM, *(int(m // 1) for m in months)])
        high = max([_TO, *(6 * (int(m // 6) + 1) for m in months)])
        self._domain = [low, high]
        self._title = f"Months from {'radiotherapy start' if starts else 'the first result'}"
        step = next((s for s in (1, 2, 3, 6, 12) if (high - low) / s <= width / 40), 24)
        self._ticks = list(range(step * -(-low // step), high + 1, step))
        self._blocks = [
            {"month": self.month(course.start), "to": self.month(course.end)}
            for course in found.courses
            if course.start and course.end
        ]
        self._acute_until = [
            {"month": self.month(window.last_acute_day(anchor))}
            for course in found.courses
            if (anchor := course.end if window.anchor == "end" else course.start)
        ]

    def month(self, day: date) -> float:
        return round((day - self.origin).days / _DAYS_PER_MONTH, 4)

    def x(self, *, labels: bool) -> Spec:
        return {
            "field": "month", "type": "quantitative", "title": self._title if labels else None,
            "scale": {"domain": self._domain, "nice": False},
            "axis": {"values": self._ticks, "grid": False, "labels": labels, "labelFlush": False},
        }  # fmt: skip

    def background(self, *, labels: bool) -> list[Spec]:
        """Return radiotherapy as blocks, and the ends of the acute windows as lines."""
        x = self.x(labels=labels)
        return [
            {
                "data": {"values": self._blocks},
                "mark": {"type": "rect", "color": ink("rule"), "opacity": 0.35, "clip": True},
                "encoding": {"x": x, "x2": {"field": "to"}},
            },
            {
                "data": {"values": self._acute_until},
                "mark": {"type": "rule", "strokeDash": [5, 4], "color": ink("ink"),
                         "opacity": 0.7, "clip": True},
                "encoding": {"x": x},
            },
        ]  # fmt: skip

    def panel(self, title: str, height: int, layers: list[Spec]) -> Spec:
        return {
            "title": {"text": title, "anchor": "start", "frame": "group", "fontSize": 12,
                      "offset": 4},
            "width": self.width,
            "height": height,
            "layer": layers,
            "resolve": {"scale": {"color": "independent"}},
        }  # fmt: skip


def _panel(panel: Panel, time: _TimeAxis, *, labels: bool) -> Spec:
    kind, low, high = _domain(panel, [p.number for p in panel.points if p.number is not None])
    scale: Spec = {"type": kind, "domain": [low, high], "nice": False, "clamp": True}
    rows = [_row(p, p.day, low, time) for p in panel.points if p.day]
    y = {
        "field": "number", "type": "quantitative", "scale": scale, "title": None,
        "axis": {"tickCount": 4, "format": "~f", "grid": False},
    }  # fmt: skip
    place = {"x": time.x(labels=labels), "y": y}
    layers = [
        _grade_bands(panel, scale, low, high),
        *time.background(labels=labels),
        _line(rows, place),
    ]
    title = f"{panel.analyte.name}, {panel.unit}"
    return time.panel(title, _HEIGHT, [*layers, *_points(rows, place)])


def _grade_bands(panel: Panel, scale: Spec, low: float, high: float) -> Spec:
    """Return the bands of the grades, cut to the value scale from ``low`` to ``high``."""
    cut = [
        (b.grade, low if b.low is None else max(low, b.low),
         high if b.high is None else min(high, b.high))
        for b in panel.bands
    ]  # fmt: skip
    bands = [{"grade": grade, "low": below, "high": above}
             for grade, below, above in cut if below < above]  # fmt: skip
    return {
        "data": {"values": bands},
        "mark": {"type": "rect", "opacity": 0.3},
        "encoding": {
            "y": {"field": "low", "type": "quantitative", "scale": scale, "title": None},
            "y2": {"field": "high"},
            "color": _COLOUR,
        },
    }


def _line(rows: list[Spec], place: Spec) -> Spec:
    return {
        "data": {"values": [row for row in rows if row["kind"] == "decided"]},
        "mark": {"type": "line", "color": ink("soft"), "strokeWidth": 1, "opacity": 0.6},
        "encoding": place,
    }


def _points(rows: list[Spec], place: Spec) -> list[Spec]:
    """Return past versions as crosses, undecided ones hollow, others with colour and digit."""
    titles = {"shown": "Value", "grades": "Grade", "phase": "Phase", "day": "Day"}
    encoding = place | {"tooltip": [{"field": f, "title": title} for f, title in titles.items()]}
    shape = {"condition": {"test": _IS_BASELINE, "value": "diamond"}, "value": "circle"}
    size = {"condition": {"test": _IS_BASELINE, "value": 190}, "value": 120}
    past, undecided, decided = (
        {"values": [row for row in rows if row["kind"] == kind]}
        for kind in ("past", "undecided", "decided")
    )
    hollow = {"type": "point", "size": 90, "strokeWidth": 1.5, "filled": False}
    filled = {"type": "point", "filled": True, "opacity": 1, "strokeWidth": 0.8}
    digit = {"type": "text", "fontSize": 9, "fontWeight": 700}
    return [
        {
            "data": past,
            "mark": {"type": "point", "shape": "cross", "size": 30, "color": ink("soft")},
            "encoding": encoding,
        },
        {
            "data": undecided,
            "mark": hollow | {"color": ink("ink")},
            "encoding": encoding | {"shape": shape},
        },
        {
            "data": decided,
            "mark": filled | {"stroke": ink("ink")},
            "encoding": encoding | {"color": _COLOUR, "shape": shape, "size": size},
        },
        {
            "data": decided,
            "mark": digit,
            "encoding": place | {"text": {"field": "grade"}, "color": _DIGIT},
        },
    ]


def _row(point: Point, day: date, lower_edge: float, time: _TimeAxis) -> Spec:
    """Return a point as a row of data; one without a number lies at the lower edge."""
    decided = point.at_least is not None and point.at_least == point.at_most
    interval = f"undecided, {point.at_least} to {point.at_most}"
    return {
        "month": time.month(day),
        "number": lower_edge if point.number is None else point.number,
        "grade": point.at_least,
        "shown": point.shown,
        "grades": "none" if point.at_least is None else point.at_least if decided else interval,
        "phase": point.phase.replace("_", "-"),
        "day": day.isoformat(),
        "kind": "past" if not point.holds else "decided" if decided else "undecided",
    }


def _domain(panel: Panel, numbers: Sequence[float]) -> tuple[str, float, float]:
    """Return kind and ends of the value scale; only a number that lies outside extends it."""
    canonical = panel.analyte.unit(panel.analyte.canonical_unit)
    ends = [end for band in panel.bands for end in (band.low, band.high) if end]
    positive = [number for number in numbers if number > 0]
    low, high, kind = 0.0, 1.4 * max(ends, default=1.0), "linear"
    if panel.unit == X_ULN:
        low, high, kind = min([0.1, *positive]), 100.0, "log"
    elif canonical.kind == "count" and ends:
        low, high, kind = min([min(ends) / 10, *positive]), min(ends) * 100, "log"
    return kind, low, max([high, *positive])


def _events(events: Sequence[Event], time: _TimeAxis) -> Spec:
    """Return the panel of clinicians' grades from their onset, one line per term."""
    rows = [
        {"month": time.month(e.day), "term": e.term, "grade": e.grade, "day": e.day.isoformat()}
        for e in events
    ]
    terms = sorted({event.term for event in events})
    titles = {"term": "Term", "grade": "Grade", "day": "Onset"}
    place = {
        "x": time.x(labels=True),
        "y": {"field": "term", "type": "nominal", "sort": terms, "axis": None},
        "tooltip": [{"field": field, "title": title} for field, title in titles.items()],
    }
    marks: list[tuple[Spec, Spec]] = [
        ({"type": "square", "size": 260, "opacity": 1}, {"color": _COLOUR}),
        ({"type": "text", "fontSize": 10, "fontWeight": 700},
         {"text": {"field": "grade"}, "color": _DIGIT}),
        ({"type": "text", "align": "left", "dx": 13, "fontSize": 11}, {"text": {"field": "term"}}),
    ]  # fmt: skip
    layers = [
        {"data": {"values": rows}, "mark": mark, "encoding": place | more} for mark, more in marks
    ]
    height = 24 * max(1, len(terms))
    return time.panel("Clinicians' grades", height, [*time.background(labels=True), *layers])
