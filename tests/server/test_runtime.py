"""Below ``server`` nobody looks at a clock or makes a random number but the ``Runtime``."""

import ast
from collections.abc import Iterator
from pathlib import Path

import toxgrade.server

_SERVER = Path(toxgrade.server.__file__).parent
_MODULES = ("time", "random", "secrets")
_NAMES = (
    "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today",
    "datetime.date.today", "uuid.uuid1", "uuid.uuid4", "os.urandom", "asyncio.sleep",
    "threading.Timer",
)  # fmt: skip
_REASONS = {
    ("http/rate_limit.py", "time.thread_time"): "what a caller took of a processor is measured",
    ("http/service.py", "time.thread_time"): "what a caller took of a processor is measured",
    ("http/service.py", "time.perf_counter"): "and of the threads for costly reads",
    ("records/db/engine.py", "time.monotonic"): "the driver connects: SQLite waits for its file",
    ("records/db/engine.py", "time.sleep"): "the driver connects: SQLite waits for its file",
    ("http/body.py", "asyncio.sleep"): "goes by the clock of the event loop",
    ("http/multipart.py", "asyncio.sleep"): "goes by the clock of the event loop",
    ("http/process_events.py", "asyncio.sleep"): "goes by the clock of the event loop",
    ("ehr/hl7v2/mllp.py", "asyncio.sleep"): "goes by the clock of the event loop",
}


def _used(path: Path) -> Iterator[str]:
    """Yield the dotted names of what a module uses of other modules."""
    tree, imported = ast.parse(path.read_text()), dict[str, str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    yield from imported.values()
    for node in ast.walk(tree):
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts, node = [node.attr, *parts], node.value
        if parts and isinstance(node, ast.Name) and node.id in imported:
            yield ".".join([imported[node.id], *parts])


def test_clock_and_randomness_are_handed_on() -> None:
    found = {
        (path.relative_to(_SERVER).as_posix(), name)
        for path in _SERVER.rglob("*.py")
        if path.name != "runtime.py"
        for name in _used(path)
        if name in _NAMES or (name.partition(".")[0] in _MODULES and "." in name)
    }
    assert found == _REASONS.keys()
