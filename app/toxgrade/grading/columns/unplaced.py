"""Why the phase of a result is not known, by column: ``grading/unplaced.py``."""

import polars as pl

from toxgrade.grading.columns.phase import phase_text
from toxgrade.grading.unplaced import Unplaced

UNPLACED_TYPE = pl.Enum([cause.value for cause in Unplaced])


def why_unplaced() -> pl.Expr:
    """Return ``why_unplaced`` as an expression (Enum), null where the phase is known.

    Reads the columns that ``place_columns`` reads and gives.
    """
    causes = (
        (Unplaced.NO_TREATMENT_DATES, pl.col("rt_start").is_null() & pl.col("rt_end").is_null()),
        (Unplaced.NO_DATE, pl.col("first").is_null()),
        (Unplaced.NO_END_OF_TREATMENT, pl.col("no_radiotherapy_end")),
        (Unplaced.NO_START_OF_TREATMENT, pl.col("first") == pl.col("last")),
        (Unplaced.DATE_TOO_COARSE, pl.lit(True)),
    )
    found = [pl.when(met).then(pl.lit(cause, dtype=UNPLACED_TYPE)) for cause, met in causes]
    unknown = pl.col("phase") == phase_text("unknown")
    return pl.when(unknown).then(pl.coalesce(found))
