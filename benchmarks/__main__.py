"""``make bench``: every figure as a ratio to a floor measured in the same run; walks at the end."""

from benchmarks import (
    batch,
    ehr,
    exactness,
    history,
    hull,
    kernel,
    pages,
    service,
    storing,
    table,
    walks,
)


def main() -> None:
    """Print one table per question."""
    exactness.main()
    hull.main()
    kernel.main()
    batch.main()
    service.main()
    history.main()
    table.main()
    pages.main()
    storing.main()
    ehr.main()
    walks.main()


if __name__ == "__main__":
    main()
