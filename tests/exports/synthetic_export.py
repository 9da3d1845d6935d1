"""A made-up lab export of any length, with censored values, mixed units and missing limits."""

import random
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import islice
from pathlib import Path

_PANEL = [
    ("ALT", "U/L", "", "40", 5, 200, 0), ("AST", "U/L", "", "40", 5, 200, 0),
    ("ALP", "U/L", "30", "120", 20, 500, 0), ("GGT", "U/L", "", "60", 5, 400, 0),
    ("TBIL", "mg/dL", "0.2", "1.2", 0.1, 5, 1), ("ALB", "g/L", "35", "50", 20, 55, 0),
    ("WBC", "K/uL", "4", "10", 0.5, 15, 2), ("PLT", "10*9/L", "150", "400", 20, 500, 0),
]  # fmt: skip
_VISITS = 10
_HEADER = "patient,collected,analyte,value,unit,lln,uln,rt_start,rt_end,source_id"


def write_export(path: Path, rows: int) -> None:
    """Write ``rows`` rows, visit by visit through all patients, so that no patient's lie together.

    2.5 % of the values are censored, 3 % of the rows have no limits; each row has its own number.
    """
    chance = random.Random(rows)
    patients = -(-rows // (_VISITS * len(_PANEL)))
    with path.open("w", encoding="utf-8") as file:
        file.write(f"{_HEADER}\n")
        for number, line in enumerate(islice(_lines(patients, chance), rows)):
            file.write(f"{line},S{number}\n")


def _lines(patients: int, chance: random.Random) -> Iterator[str]:
    starts = [date(2011, 1, 1) + timedelta(days=chance.randrange(2000)) for _ in range(patients)]
    for visit in range(_VISITS):
        for patient, start in enumerate(starts):
            day = start + timedelta(days=21 * visit - 14)
            course = f"{start},{start + timedelta(days=35)}"
            for analyte, unit, lln, uln, low, high, places in _PANEL:
                value = f"{chance.uniform(low, high):.{places}f}"
                if chance.random() < 0.025:
                    value = f"<{value}"
                limits = f"{lln},{uln}" if chance.random() > 0.03 else ","
                yield f"P{patient:06},{day},{analyte},{value},{unit},{limits},{course}"
