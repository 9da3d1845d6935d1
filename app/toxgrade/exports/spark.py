"""The column grader inside Spark, for tables beyond one machine.

Spark brings the rows of each patient to one partition and hands them over as Arrow;
``spark_partition`` grades them there, as ``toxgrade grade`` does a file. Nothing is read before the
answer is. The driver and every executor need the extra ``toxgrade[spark]``.
"""

from collections.abc import Mapping, Sequence

import pyarrow as pa  # type: ignore[import-untyped]
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_type, to_arrow_type
from pyspark.sql.types import (
    AtomicType,
    BinaryType,
    NullType,
    StructField,
    StructType,
    TimestampType,
)

from toxgrade.criteria.reader import load
from toxgrade.errors import FileError
from toxgrade.exports.grade_frame import DATES_TWICE, as_window
from toxgrade.exports.spark_partition import (
    ERROR,
    IDENTITY,
    IS_COURSE,
    PATIENT,
    Partition,
    added,
    text_of,
)
from toxgrade.grading.dictionary import read_dictionary
from toxgrade.grading.parse import WHITE_SPACE
from toxgrade.grading.phase import Window
from toxgrade.grading.rules import Graders, Rules
from toxgrade.tabular.layout import Layout
from toxgrade.tabular.layouts import recognise
from toxgrade.tabular.mapping import OURS
from toxgrade.tabular.read_options import DEFAULT_OPTIONS
from toxgrade.tabular.table import apart
from toxgrade.tabular.treatment_columns import OWN, TreatmentColumns, treatment_columns


def grade(
    labs: DataFrame,
    patients: DataFrame | None = None,
    edition: str = "4.03",
    window: str | Window = "paper",
    interpretations: Mapping[str, str] | None = None,
    dictionary: Mapping[str, Mapping[str, str]] | None = None,
) -> DataFrame:
    """Grade a table of lab results for every term of its analytes.

    ``labs``: own columns or SDTM LB, as texts, numbers or dates; ``patients``: patient, rt_start,
    rt_end and, where it is known, died, or SDTM DM; None: ``labs`` gives the dates, or there are
    none. Names are as Spark has them: in any case of letters, unless ``spark.sql.caseSensitive``. A
    TIMESTAMP has the calendar date of the session's time zone. ``window``: a text such as ``paper``
    or ``end+3m``, or a ``Window``. ``interpretations``: by name, the choices that are not the
    default ones. ``dictionary``: a site's own names, as for ``toxgrade.grade``.

    Returns the columns of ``labs`` (a clashing one as ``in_NAME``), then ``FILE_COLUMNS`` as
    ``toxgrade grade`` gives them (and ``course``, if ``patients`` has ``rt_course``): one row for
    each row and term, in no order. Of rows that differ
    in nothing that is graded, which one is the baseline is decided by all their columns.

    Raises:
        FileError: columns are missing or of a kind that is no text, number or date.
        CriteriaError: there is no such edition or interpretation.
        RequestError: an entry of the dictionary is not understood.
        ParseError: ``window`` is no window.

    What only the rows can show is raised when they are read, as Spark's own
    ``SparkRuntimeException``: treatment dates that cannot be read or contradict each other.
    """
    criteria = load(only=edition)
    rules = Rules(
        edition, as_window(window), interpretations=tuple((interpretations or {}).items()),
        dictionary=read_dictionary(dictionary or {}, criteria.analytes.values()),
    )  # fmt: skip
    grader = Graders(criteria).for_rules(rules)
    table = _Table(labs, "labs")
    layout = recognise(table.header, "labs", DEFAULT_OPTIONS)
    texts = {table.header.index(name): table.text(name) for name in layout.reads}
    patient = table.header.index(layout.named["patient"])
    rows = table.frame.withColumn(PATIENT, _trimmed(texts[patient]))
    dates = _dates_in_labs(layout)
    if dates and patients is not None:
        raise FileError(DATES_TWICE)
    if patients is not None:
        dates, courses = _courses(patients)
        rows = rows.unionByName(courses, allowMissingColumns=True)
    # No row without a patient has a baseline: they need not meet, and in one task they would all
    # take much longer than the others.
    nobody = F.col(PATIENT).isNull()
    together = rows.repartition(PATIENT, F.when(nobody, F.xxhash64(*texts.values())))
    columns = {
        text_of(at): text for at, text in texts.items()
        if at == patient or isinstance(table.types[at], TimestampType)
    }  # fmt: skip
    columns[IDENTITY] = table.identity()
    schema = _schema(labs, added(dates))
    partition = Partition(
        rules,
        grader.edition.name,
        table.header,
        tuple(schema.names),
        dates,
        in_labs=patients is None and dates is not None,
    )
    graded = together.withColumns(columns).mapInArrow(partition.graded, schema)
    refused = F.when(F.col(ERROR).isNull(), True).otherwise(F.raise_error(F.col(ERROR)))
    return graded.filter(refused).drop(ERROR)


class _Table:
    """A table whose columns have numbers for names, so that any names will do.

    ``header``: the names we know them by; ``types``: those of the columns.
    """

    def __init__(self, given: DataFrame, name: str) -> None:
        """Raise ``FileError`` if Spark cannot hand one of the columns to Python."""
        names, self._name = given.columns, name
        self.types = [field.dataType for field in given.schema.fields]
        for column, kind in zip(names, self.types, strict=True):
            try:
                to_arrow_type(kind, timezone="UTC")
            except (PySparkException, TypeError):
                text = f"the column {column} is {kind.simpleString()}, which Spark cannot hand over"
                raise FileError(f"{name}: {text}; cast it, or leave it out") from None
        self.frame = given.toDF(*map(str, range(len(names))))
        sensitive = given.sparkSession.conf.get("spark.sql.caseSensitive") == "true"
        self.header = tuple(names) if sensitive else _folded(names)

    def text(self, name: str) -> Column:
        """Return a column as text; a TIMESTAMP in the session's time zone.

        Raises:
            FileError: it is neither text, number, date nor truth value.
        """
        place = self.header.index(name)
        kind = self.types[place]
        if not isinstance(kind, AtomicType | NullType) or isinstance(kind, BinaryType):
            text = f"the column {name} is of a kind that cannot be a laboratory's text"
            raise FileError(f"{self._name}: {text}")
        return F.col(str(place)).cast("string")

    def identity(self) -> Column:
        """Return a number of what stands in all columns, the same in any order of rows."""
        columns = [F.col(str(place)) for place in range(len(self.header))]
        # Without the marks of what is absent, (a, null) and (null, a) would have one number.
        texts = [column.cast("string") for column in columns]
        return F.xxhash64(*texts, *(column.isNull() for column in columns))


def _folded(names: Sequence[str]) -> tuple[str, ...]:
    """Return names in the case that is ours or SDTM's; of two that become one only that which was
    written so keeps it.
    """
    known = {*OURS, *OWN}
    ours = [name.lower() if name.lower() in known else name.upper() for name in names]
    return tuple(
        name if ours.count(name) == 1 or name == written else f"{place} {written}"
        for place, (name, written) in enumerate(zip(ours, names, strict=True))
    )


def _dates_in_labs(layout: Layout) -> TreatmentColumns | None:
    found = {"rt_start", "rt_end"} & layout.named.keys()
    return TreatmentColumns(PATIENT, "rt_start", "rt_end") if found else None


def _courses(patients: DataFrame) -> tuple[TreatmentColumns, DataFrame]:
    """Return the columns of treatment, and as texts what they hold, with ``IS_COURSE``."""
    table = _Table(patients, "patients")
    columns = treatment_columns(table.header, "patients", DEFAULT_OPTIONS)
    texts = [
        table.text(column).alias(field) if column else F.lit(None).cast("string").alias(field)
        for field, column in columns._asdict().items()
    ]
    texts[0] = _trimmed(table.text(columns.patient)).alias(PATIENT)
    return columns, table.frame.select(*texts, F.lit(True).alias(IS_COURSE))


def _trimmed(patient: Column) -> Column:
    """Return patients without the blanks around them, as files have them; null for a blank one."""
    text = F.btrim(patient, F.lit(WHITE_SPACE))
    return F.when(text != "", text)


def _schema(labs: DataFrame, added: Mapping[str, pa.DataType]) -> StructType:
    """Return the columns of the answer, and ``ERROR``."""
    columns = labs.columns
    clashing = [name for name in columns if name.lower() in added]
    renamed = apart(columns, {*added, *clashing})
    given = [
        StructField(renamed.get(field.name, field.name), field.dataType)
        for field in labs.schema.fields
    ]
    ours = [StructField(name, from_arrow_type(kind)) for name, kind in added.items()]
    return StructType([*given, *ours])
