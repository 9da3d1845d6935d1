"""``toxgrade compare``: compare our grades with another grader's."""

from argparse import ArgumentTypeError
from pathlib import Path
from typing import TYPE_CHECKING

from toxgrade.cli.criteria import add_interpretations, parse_choices
from toxgrade.cli.options import Parser, add_file_options, cleanup_on_signal, read_options
from toxgrade.cli.run_summary import behind_apostrophe

if TYPE_CHECKING:
    from toxgrade.exports.compare_adlb import Comparison

_CELL_OPTIONS = {"decimal", "null", "dates", "map", "values", "baseline"}
"""The read options of an export that also hold for the file that `toxgrade grade` wrote of it."""


def arguments(parser: Parser) -> None:
    parser.runs(compare)
    add = parser.add_argument
    add("ours", type=Path, help="what `toxgrade grade` wrote")
    add("theirs", type=Path, help="another grader's data set (ADLB)")
    add(
        "--keys", type=_pairs, required=True,
        help="columns that name a result: COLUMN or OURS=THEIRS, with commas",
    )  # fmt: skip
    add("--output", "-o", type=Path, help="the differences: .csv, .parquet, …")
    add_interpretations(parser)
    add_file_options(parser, "how the export was declared when it was graded", _CELL_OPTIONS)


@cleanup_on_signal()
def compare(
    ours: Path, theirs: Path, keys: list[tuple[str, str]], output: Path | None,
    interpretations: list[str], **files: object,
) -> None:  # fmt: skip
    """Say where two graders agree on the same results, and why they do not."""
    from toxgrade.criteria.reader import load
    from toxgrade.exports.compare_adlb import compare
    from toxgrade.grading.rules import Graders
    from toxgrade.tabular.output_files import check_apart, check_output, write

    if output is not None:
        check_output(output)
        check_apart([output], [ours, theirs])
    choices = parse_choices(interpretations)
    found = compare(ours, theirs, keys, Graders(load()), read_options(files), choices)
    behind = {} if output is None else write([found.differences], output)
    _print(found)
    print(*behind_apostrophe(behind), sep="\n", end="\n" * bool(behind))


def _pairs(text: str) -> list[tuple[str, str]]:
    """Parse the pairs of key columns, ours and theirs, that ``--keys`` names."""
    pairs = []
    for key in text.split(","):
        ours, equals, theirs = key.strip().partition("=")
        if not ours or (equals and not theirs):
            raise ArgumentTypeError("expected columns, as USUBJID,LBSEQ or patient=USUBJID")
        pairs.append((ours, theirs or ours))
    if any(len(set(names)) < len(pairs) for names in zip(*pairs, strict=True)):
        raise ArgumentTypeError("expected each column once")
    return pairs


def _print(found: "Comparison") -> None:
    import polars as pl

    differences = found.differences
    print(f"{sum(found.agreed.values()):,} gradings agree, {len(differences):,} differ")
    meant = pl.concat_str("their_term", "their_edition", separator=", ", ignore_nulls=True)
    shown = pl.when(meant != "").then(pl.format("{} ({})", "cause", meant)).otherwise("cause")
    counted = differences.with_columns(cause=shown).group_by("term", "cause").len()
    terms = {*found.agreed, *counted["term"].drop_nulls()}
    for term in sorted(terms):
        causes = counted.filter(pl.col("term") == term).sort("cause").select("cause", "len")
        listed = ", ".join(f"{cause} {n:,}" for cause, n in causes.iter_rows())
        print(f"  {term}: {found.agreed.get(term, 0):,} agree" + f"; {listed}" * bool(listed))
    if alone := int(differences["term"].is_null().sum()):
        print(f"  graded by them only: {alone:,}")
    for whose, without in zip(("ours", "theirs"), found.without_key, strict=True):
        if without:
            print(f"not compared, a key is missing: {without:,} of {whose}")
    if not found.in_both:
        print("--keys give no result that both have")
    if odd := int((differences["cause"] == "not-reproduced").sum()):
        text = "compare the whole file as it was written, with --map, --interpretation, … as then"
        print(f"not graded again as they were: {odd:,}; {text}")
