"""What all charts share: colours, frame, definition line, and how they are drawn as files.

The palette is ordered: lightness falls from grade 0 to 5, so that it survives grey printing and
colour blindness; a test measures both. The digit of a grade is always printed; colour repeats it.
"""

import json
import textwrap
from dataclasses import dataclass
from typing import Literal

import altair as alt
import vl_convert

GRADES = range(6)
GRADE_COLOURS = ("#e9ecef", "#f2cc5c", "#f0923a", "#c4432c", "#7d1750", "#1d0a33")
_PAPER = {
    "ink": "#16191d", "soft": "#59616c", "line": "#d8dce2", "rule": "#8a929d",
    "raised": "#e3e6ea", "paper": "#ffffff", "accent": "#0b57a4",
} | {f"grade-{grade}": colour for grade, colour in enumerate(GRADE_COLOURS)}  # fmt: skip

Spec = dict[str, object]
"""A Vega-Lite specification, or a part of one."""
Kind = Literal["json", "svg", "png", "pdf"]
MEDIA: dict[Kind, str] = {
    "json": "application/json",
    "svg": "image/svg+xml",
    "png": "image/png",
    "pdf": "application/pdf",
}


def ink(name: str) -> str:
    """Return a colour of the style sheet by name, so that it follows the theme of a page."""
    return f"var(--{name})"


DIGIT_COLOURS = (ink("ink"), "#16191d", "#16191d", "#ffffff", "#ffffff", "#ffffff")
"""The colour of the digit on each grade's colour; grade 0 is dark on a page in a dark theme."""


def grade_scale() -> alt.Scale:
    """Return the scale from grades 0 to 5 to their colours."""
    return alt.Scale(domain=list(GRADES), range=[ink(f"grade-{grade}") for grade in GRADES])


def digit_colour(field: str = "grade") -> alt.Color:
    """Return the colour of a digit that is printed on its grade's colour."""
    return alt.Color(
        f"{field}:O", legend=None, scale=alt.Scale(domain=list(GRADES), range=DIGIT_COLOURS)
    )


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart with its title and the line that says what is counted and of how many.

    ``vega`` is an Altair chart or a Vega-Lite specification.
    """

    vega: alt.TopLevelMixin | Spec
    title: str
    definition: str

    def page(self) -> Spec:
        """Return the specification for a page, which has title and definition as its own text."""
        return self._spec()

    def drawn(self, kind: Kind) -> bytes:
        """Return the chart as a file of its own, with title and definition, on white."""
        spec = self._spec()
        spec["title"] = {
            "text": self.title,
            "subtitle": textwrap.wrap(self.definition, 110),
            "anchor": "start",
            "offset": 14,
        }
        text = json.dumps(spec)
        for name, colour in _PAPER.items():
            text = text.replace(f'"var(--{name})"', f'"{colour}"')
        if kind == "json":
            return text.encode()
        if kind == "svg":
            return vl_convert.vegalite_to_svg(text).encode()
        if kind == "png":
            return vl_convert.vegalite_to_png(text, scale=2)
        return vl_convert.vegalite_to_pdf(text)

    def _spec(self) -> Spec:
        spec: Spec = {"$schema": alt.SCHEMA_URL}
        spec |= self.vega if isinstance(self.vega, dict) else self.vega.to_dict(validate=False)
        spec["description"] = f"{self.title}. {self.definition}"
        spec["background"] = ink("paper")
        spec["config"] = _CONFIG
        return spec


def prepare_drawing() -> None:
    """Draw nothing, as the first drawing keeps all threads of a process waiting for 0.4 s."""
    vl_convert.vegalite_to_svg({"$schema": alt.SCHEMA_URL, "mark": "point", "data": {"values": []}})


_FONT = "system-ui, Roboto, 'Helvetica Neue', Arial, 'Liberation Sans', sans-serif"
_CONFIG: Spec = {
    "font": _FONT,
    "view": {"stroke": None},
    "axis": {
        "labelColor": ink("soft"), "titleColor": ink("soft"), "tickColor": ink("line"),
        "domainColor": ink("rule"), "gridColor": ink("line"), "labelFontSize": 12,
        "titleFontSize": 12, "titleFontWeight": "normal", "labelLimit": 220,
    },
    "header": {"labelColor": ink("ink"), "titleColor": ink("soft"), "labelFontSize": 13},
    "legend": {"labelColor": ink("soft"), "titleColor": ink("soft"), "labelFontSize": 12},
    "title": {
        "color": ink("ink"), "subtitleColor": ink("soft"), "fontSize": 15, "subtitleFontSize": 11,
        "subtitleLineHeight": 14, "fontWeight": 600, "subtitlePadding": 6,
    },
    "text": {"color": ink("ink"), "fontSize": 12},
    "rule": {"color": ink("rule")},
}  # fmt: skip
