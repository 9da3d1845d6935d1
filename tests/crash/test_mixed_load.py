"""A minute of a mixed load, much of it hostile; ``make evidence`` runs ten, and holds the times."""

from pathlib import Path

from benchmarks.mixed_load import run

_SECONDS = 60


def test_well_behaved_callers_are_served_whatever_others_send(
    database_url: str, tmp_path: Path
) -> None:
    report = run(database_url, tmp_path, _SECONDS)
    assert not report.broken(), "\n".join(report.lines())
    assert len(report.seconds) > 500
    assert report.hostile
    assert report.uploads
