"""How long the event loop is kept from its other clients, whatever one client sends."""

import tempfile
from pathlib import Path

from tests.server.http.hostile import cases, lag_of, watched_service
from toxgrade.server.records.schema import upgrade

_MOST_MS = 50.0


def main() -> bool:
    """One line for each hostile or large request: what the loop could not do meanwhile; return
    whether no pause took 50 ms of CPU time.
    """
    print("\nthe event loop's longest pause: CPU time of the process, and time that passed")
    print(f"{'':<52}{'MB':>7}{'status':>8}{'s':>8}{'CPU ms':>9}{'wall ms':>9}")
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'lag.db'}"
        upgrade(url)
        with watched_service(url) as client:
            for number, case in enumerate(cases()):
                status, seconds, lag = lag_of(client, case, number)
                worst = max(worst, lag.cpu)
                size = len(case.content) / 1e6
                odd = "" if status in case.statuses else "  unexpected"
                print(
                    f"{case.name:<52}{size:>7.2f}{status:>8}{seconds:>8.2f}"
                    f"{lag.cpu:>9.1f}{lag.wall:>9.1f}{odd}",
                    flush=True,
                )
    print(f"{'the longest of all':<75}{worst:>9.1f}")
    return worst < _MOST_MS


if __name__ == "__main__":
    main()
