"""Each text is parsed once, in whatever pieces the texts come."""

from collections.abc import Sequence

import polars as pl

from toxgrade.grading.columns.interning import CachedParser, TextIndex


def _read(parser: CachedParser, texts: Sequence[str | None]) -> list[object]:
    """Return what each of ``texts`` was parsed to."""
    numbers = parser.numbers(pl.Series(texts, dtype=pl.String))
    return parser.known[numbers].to_series().to_list()


def test_each_text_is_read_once_and_keeps_its_number() -> None:
    parsed: list[str] = []

    def read(texts: pl.Series) -> pl.DataFrame:
        parsed.extend(texts)
        return pl.DataFrame({"length": texts.str.len_bytes()})

    parser = CachedParser(read)
    assert _read(parser, ["b", "aa", None, "b"]) == [1, 2, None, 1]
    assert parser.numbers(pl.Series(["ccc", "aa", "b"])).to_list() == [2, 1, 0]
    assert _read(parser, []) == []
    assert parsed == ["b", "aa", "ccc"]
    assert parser.known["length"].to_list() == [1, 2, 3]


def test_too_many_texts_are_dropped_and_parsed_again() -> None:
    parser = CachedParser(lambda texts: pl.DataFrame({"said": texts}), most=2)
    for piece in (["a", "b", "c"], ["d", "a"], ["a", "e"]):
        assert _read(parser, piece) == piece
    assert len(parser.known) == 3  # d, a, e: numbering restarted after a, b, c


def test_patients_are_never_dropped() -> None:
    parser = CachedParser(lambda texts: pl.DataFrame({"said": texts}), most=None)
    numbers = [parser.numbers(pl.Series([name])).item() for name in ("P1", "P2", "P3", "P1")]
    assert numbers == [0, 1, 2, 0]


def test_a_categorical_keeps_its_numbers_and_texts_go_on_from_there() -> None:
    known = pl.Series(["x", "b", "a", None], dtype=pl.Categorical(pl.Categories.random()))
    numbers = TextIndex()
    assert numbers.of(known[1:]).to_list() == [1, 2, None]
    assert numbers.of(pl.Series(["c", "b", "x"])).to_list() == [3, 1, 0]
    assert numbers.texts(1, 4).to_list() == ["b", "a", "c"]


def test_another_categorical_is_numbered_by_its_texts() -> None:
    numbers = TextIndex()
    assert numbers.of(pl.Series(["a", "b"])).to_list() == [0, 1]
    other = pl.Series(["z", "b", "a"], dtype=pl.Categorical(pl.Categories.random()))
    assert numbers.of(other).to_list() == [2, 1, 0]


def test_texts_of_a_categorical_are_read_by_its_numbers() -> None:
    parser = CachedParser(lambda texts: pl.DataFrame({"said": texts}))
    known = pl.Series(["x", "b", "a", None], dtype=pl.Categorical(pl.Categories.random()))
    for texts in (known[2:], known):
        numbers = parser.numbers(texts)
        assert parser.known["said"].gather(numbers).to_list() == texts.to_list()
