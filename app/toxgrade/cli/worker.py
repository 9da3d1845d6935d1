"""``toxgrade worker``: grade stored batches in a process of the service or of its own."""

import os
import subprocess
import sys
import threading
import time
from argparse import SUPPRESS

from toxgrade.cli.options import Parser, settings


def arguments(parser: Parser) -> None:
    parser.runs(worker)
    # The service passes its process id: its workers stop when it has ended.
    parser.add_argument("--parent", type=int, help=SUPPRESS)


def worker(parent: int | None) -> None:
    """Grade and store uploaded batches until stopped; any number may run on one database."""
    import signal

    from toxgrade.criteria.reader import load
    from toxgrade.grading.rules import Graders
    from toxgrade.server.jobs.cutting import CutLimits
    from toxgrade.server.jobs.upload_store import UploadStore
    from toxgrade.server.jobs.worker import Worker
    from toxgrade.server.private_files import keep_private
    from toxgrade.server.process import collect_rarely, configure
    from toxgrade.server.records.db.engine import build_engine
    from toxgrade.server.records.schema import upgrade
    from toxgrade.server.runtime import MACHINE

    configure()
    chosen = settings()
    keep_private(chosen)
    if parent is None:  # A service has migrated the database before it starts its workers.
        upgrade(chosen.database_url)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if parent is not None:
        threading.Thread(target=_watch, args=(parent, stop), daemon=True).start()
    engine = build_engine(chosen.database_url)
    runtime = MACHINE
    store = UploadStore(chosen.batches_dir, runtime)
    limits = CutLimits(chosen.upload_memory_bytes, chosen.upload_seconds)
    worker = Worker(engine, runtime, Graders(load()), store, chosen.lease_seconds, limits)
    collect_rarely()
    worker.run(stop)
    engine.dispose()


def _watch(parent: int, stop: threading.Event) -> None:
    """Stop the worker when the service has ended, even if it was killed."""
    while os.getppid() == parent:
        time.sleep(0.5)
    stop.set()


def start_workers(count: int) -> None:
    """Keep ``count`` worker processes running: grading in this process would slow requests."""
    command = [sys.executable, "-c", "from toxgrade.cli import main; main()", "worker"]

    def keep_running() -> None:
        while True:
            subprocess.run([*command, "--parent", str(os.getpid())])
            time.sleep(1)  # The worker was killed or could not start: another one replaces it.

    for _ in range(count):
        threading.Thread(target=keep_running, name="worker", daemon=True).start()
