"""The installed program, as its users call it, and a small export."""

import os
import subprocess
import sys
from pathlib import Path

LABS = """patient,collected,analyte,value,unit,lln,uln,rt_start,rt_end
P1,2011-01-20,ALT,30,U/L,,40,2011-01-24,2011-03-09
P1,2011-04-23,ALT,130,U/L,,40,2011-01-24,2011-03-09
P1,2011-04-23,lead,5,ug/L,,,2011-01-24,2011-03-09
"""


def toxgrade(*arguments: str, cwd: Path, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Return what the program did in the folder ``cwd``, under these settings and no others."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TOXGRADE_")}
    return subprocess.run(
        [Path(sys.executable).parent / "toxgrade", *arguments],
        cwd=cwd, env=environment | settings, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
