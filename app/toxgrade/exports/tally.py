"""The counts of a run over an export, gathered piece by piece."""

from collections import Counter
from collections.abc import Iterable

import polars as pl

from toxgrade.grading.columns.parse import read_column
from toxgrade.grading.columns.phase import PHASE_TYPE
from toxgrade.grading.flags import Flag, Reason
from toxgrade.grading.parse import FIRST_YEAR, LAST_YEAR
from toxgrade.grading.specimens import names_other_specimen
from toxgrade.grading.unplaced import Unplaced
from toxgrade.tabular.declared_cells import SIGNS_SWAPPED
from toxgrade.tabular.lab_export import ExportChunk
from toxgrade.tabular.table import CLEANED, FILLED

_COUNTED_COLUMN = {
    "unknown-analyte": "analyte", "other-specimen": "specimen",
    "unreadable-value": "value", "unreadable-date": "collected",
}  # fmt: skip
"""The column whose texts are counted, for each reason."""
UNREADABLE = ("value", "limit", "date")
_UNCERTAIN_BASELINE = (Flag.BASELINE_AMBIGUOUS, Flag.BASELINE_MAY_DIFFER)
_FEW = 200
"""The number of different texts, and of rows of a file that is not encoded, above which a column is
not looked through for specimens: comments are not."""
_SIGNS = {"", "<", "<=", ">", ">=", "=", "~", "≤", "≥"}
_PATTERN_LENGTH = 20  # Characters.
_DATED = r"^([0-9]{4})(-[0-9]{2}(-[0-9]{2}([T ].*)?)?)?$"


class Tally:
    """Counts for ``RunSummary`` over all pieces, in any order.

    ``decimal``: the declared decimal sign, which is a point in the pieces; ``unused``: the columns
    that are not read; ``specimens``: among them may be one of specimens.
    """

    def __init__(
        self, decimal: str, unused: Iterable[str] = (), *, specimens: bool = False
    ) -> None:
        self.rows = self.results = self.headers = self.entries = self.graded = self.filled = 0
        self.without_patient = self.rejected = self.rejected_results = 0
        self.after_death = self.unlikely_dates = self.study_ranges = 0
        self._decimal = decimal
        self._signs = dict.fromkeys(unused, False)
        self._specimens = dict.fromkeys(self._signs if specimens else (), False)
        self._reasons: Counter[str] = Counter()
        self._texts: dict[str, Counter[str]] = {}
        self._units: Counter[tuple[str, str]] = Counter()
        self._unplaced: Counter[str] = Counter()
        self._unplaced_results: Counter[str] = Counter()
        self.behind_apostrophe: Counter[str] = Counter()
        self.uncertain_baselines = dict.fromkeys(map(str, _UNCERTAIN_BASELINE), 0)

    def add(self, chunk: ExportChunk, graded: pl.DataFrame, places: pl.Series) -> None:
        """Count a piece; ``graded`` is ``ColumnGrader``'s, ``places`` its rows' places in it."""
        self.rows += chunk.file_rows
        self.results += len(chunk.rows)
        self.headers += chunk.headers
        self.entries += len(graded)
        self.graded += graded["grade"].count()
        if FILLED in chunk.rows.columns:
            self.filled += chunk.rows[FILLED].count()
        if CLEANED in chunk.rows.columns:
            self._count_cleaned(chunk.rows.select(CLEANED, "value").drop_nulls(CLEANED))
        self._count_unplaced(graded)
        reasons, no_bounds = _counts(graded["reason"]), graded["at_least"].is_null()
        self._reasons.update(reasons)
        if Reason.MISSING_PATIENT in reasons:
            self.without_patient += chunk.rows["patient"].null_count()
        for reason in _COUNTED_COLUMN.keys() & reasons:
            # A venous pH is of blood: its reason is that of a specimen, but it has its bounds.
            found = _places_of(reason, graded.filter(no_bounds), places.filter(no_bounds))
            self._count_texts(reason, chunk.rows[_COUNTED_COLUMN[reason]].gather(found))
        if Reason.UNKNOWN_UNIT in reasons:
            found = _places_of(Reason.UNKNOWN_UNIT, graded, places)
            pairs = chunk.rows.select(pl.col("unit", "analyte").cast(pl.String))[found]
            for unit, analyte, n in pairs.group_by("unit", "analyte").len().iter_rows():
                self._units[unit or "", analyte or ""] += n
        if Reason.AFTER_DEATH in reasons:
            self.after_death += len(_places_of(Reason.AFTER_DEATH, graded, places))
        self.unlikely_dates += len(_places_flagged(Flag.UNLIKELY_DATE, graded["flags"], places))
        self.study_ranges += len(_places_flagged(Flag.RANGE_FROM_STUDY, graded["flags"], places))
        self._count_limits(chunk.rows, graded["flags"], places)
        for flags, n in graded["flags"].drop_nulls().value_counts(name="n").iter_rows():
            for flag in self.uncertain_baselines.keys() & set(flags.split()):
                self.uncertain_baselines[flag] += n
        self._find_signs(chunk.given)
        self._find_specimens(chunk.given)

    def _count_unplaced(self, graded: pl.DataFrame) -> None:
        """Count what was graded but has no phase; nothing that counts as before the start has."""
        unknown = (pl.col("phase") == pl.lit("unknown", PHASE_TYPE)) & pl.col(
            "at_least"
        ).is_not_null()
        found = graded.select("row", "unplaced").filter(graded.select(unknown).to_series())
        self._unplaced.update(_counts(found["unplaced"]))
        self._unplaced_results.update(_counts(found.unique("row")["unplaced"]))

    def _find_signs(self, given: pl.DataFrame) -> None:
        """Keep the columns that hold nothing but comparators so far; true: some were met."""
        for name in [*self._signs]:
            # Few columns pass the first text, so that most files cost nothing here.
            texts = given[name].drop_nulls()
            if not len(texts):
                continue
            if str(texts[0]).strip() in _SIGNS and set(texts.unique().cast(pl.String)) <= _SIGNS:
                self._signs[name] = True
            else:
                del self._signs[name]

    def _find_specimens(self, given: pl.DataFrame) -> None:
        """Mark the columns in which a text is another specimen than blood: urine, CSF."""
        for name in [*self._specimens]:
            texts = given[name]
            if self._specimens[name] or (texts.dtype == pl.String and len(texts) > _FEW):
                continue
            different = texts.unique().drop_nulls().cast(pl.String)
            if len(different) > _FEW:
                del self._specimens[name]
            else:
                self._specimens[name] = any(map(names_other_specimen, different))

    @property
    def specimen_columns(self) -> tuple[str, ...]:
        """The unused columns in which a text is another specimen than blood."""
        return tuple(name for name, met in self._specimens.items() if met)

    @property
    def sign_columns(self) -> tuple[str, ...]:
        """The unused columns that hold nothing but signs such as <."""
        return tuple(name for name, met in self._signs.items() if met)

    def add_rejects(self, rejects: pl.DataFrame) -> None:
        """Count what ``rejected`` returned of a piece."""
        self.rejected += rejects["row"].n_unique()
        self.rejected_results += len(rejects)

    def _count_limits(self, rows: pl.DataFrame, flags: pl.Series, places: pl.Series) -> None:
        """Count the limits that cannot be read, which a flag on the grade shows."""
        flag = Flag.UNREADABLE_LIMIT
        found = _places_flagged(flag, flags, places)
        if not len(found):
            return
        for column in ("lln", "uln"):
            texts = rows[column].gather(found).cast(pl.String)
            self._count_texts(flag, texts.filter(read_column(texts).unreadable))

    def _count_cleaned(self, rows: pl.DataFrame) -> None:
        """Count the values that a declared cleaning changed, by their look before and after."""
        looks = rows.select(
            pl.format("{} → {}", *(_look(pl.col(name)) for name in (CLEANED, "value")))
        )
        self._texts.setdefault(CLEANED, Counter()).update(_counts(looks.to_series()))

    def _count_texts(self, reason: str, texts: pl.Series) -> None:
        """Count texts; unreadable ones, a patient's, as patterns: digits as 9, letters as a."""
        texts = texts.cast(pl.String).fill_null("")
        if reason == Reason.UNREADABLE_DATE:
            years = texts.str.extract(_DATED).cast(pl.Int64)
            self._count_years("before", FIRST_YEAR, years < FIRST_YEAR)
            self._count_years("after", LAST_YEAR, years > LAST_YEAR)
            texts = texts.filter(years.is_between(FIRST_YEAR, LAST_YEAR).fill_null(True))
        if reason.startswith("unreadable"):
            if self._decimal == "," and reason != "unreadable-date":
                texts = texts.str.replace_many(*SIGNS_SWAPPED)
            texts = texts.to_frame("text").select(_look(pl.col("text"))).to_series()
        self._texts.setdefault(reason, Counter()).update(_counts(texts))

    def _count_years(self, side: str, year: int, found: pl.Series) -> None:
        if found.any():
            self._texts.setdefault("other-years", Counter())[f"{side} {year}"] += int(found.sum())

    @property
    def unknown_units(self) -> dict[str, dict[str, int]]:
        """The number of results by unit that is not known for their analyte, and by analyte."""
        by_unit: dict[str, dict[str, int]] = {}
        for (unit, analyte), n in sorted(self._units.items(), key=lambda e: (-e[1], e[0])):
            by_unit.setdefault(unit, {})[analyte] = n
        return by_unit

    @property
    def undecided(self) -> dict[str, int]:
        """The number of undecided gradings by reason, the most frequent first."""
        return _ordered(self._reasons)

    @property
    def phase_unknown(self) -> dict[str, int]:
        """The number of gradings with a grade or bounds, but of unknown phase, by reason."""
        return _ordered(self._unplaced)

    @property
    def unplaced_results(self) -> dict[str, int]:
        """The number of results of these gradings, of patients who have treatment dates."""
        counts = _ordered(self._unplaced_results)
        counts.pop(Unplaced.NO_TREATMENT_DATES, None)
        return counts

    @property
    def cleaned(self) -> dict[str, int]:
        """The number of values that a declared cleaning changed, by their look."""
        return self.texts(CLEANED)

    def texts(self, reason: str) -> dict[str, int]:
        """Return counts of texts for a reason or flag: names of analytes or units, or patterns."""
        return _ordered(self._texts.get(reason, Counter()))


def _look(texts: pl.Expr) -> pl.Expr:
    """Return the look of texts that may be a patient's: digits as 9, letters as a."""
    look = texts.str.replace_all("[0-9]", "9").str.replace_all(r"\p{L}", "a")
    return look.str.slice(0, _PATTERN_LENGTH)


def _places_of(reason: str, graded: pl.DataFrame, places: pl.Series) -> pl.Series:
    """Return the places of the results that are undecided for a reason, each once."""
    return places.filter((graded["reason"] == reason).fill_null(False)).unique()


def _places_flagged(flag: Flag, flags: pl.Series, places: pl.Series) -> pl.Series:
    """Return the places of the results with a flag, each once; mostly there are none."""
    if not flags.unique().cast(pl.String).str.contains(flag.value).any():
        return places.clear()
    return places.filter(flags.cast(pl.String).str.contains(flag.value).fill_null(False)).unique()


def _counts(texts: pl.Series) -> dict[str, int]:
    counted = texts.drop_nulls().cast(pl.String).alias("text").value_counts(name="n")
    return dict(counted.iter_rows())


def _ordered(counts: Counter[str]) -> dict[str, int]:
    """Return counts, the most frequent first."""
    return dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))
