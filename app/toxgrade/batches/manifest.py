"""What went in, under which rules, what came out: enough to repeat a batch and to compare it."""

import json
from collections.abc import Sequence
from dataclasses import asdict

import polars as pl

from toxgrade import __version__
from toxgrade.batches.batch import Batch
from toxgrade.batches.tally import Report
from toxgrade.tabular.output_files import STDOUT, sha256, whole
from toxgrade.tabular.table import Table


def write_manifest(batch: Batch, report: Report, inputs: Sequence[Table], criteria: str) -> None:
    """Write ``OUT.manifest.json``: hashes, versions, options, counts; none beside stdout."""
    if batch.output == STDOUT:
        return
    wanted = (batch.output, batch.rejects, batch.worst, batch.table)
    outputs = [path for path in wanted if path is not None]
    document = {
        "software": f"toxgrade {__version__}",
        "polars": pl.__version__,
        "criteria_sha256": criteria,
        "rules": asdict(batch.rules),
        "reading": asdict(batch.reading),
        "inputs": {table.name: table.sha256 for table in inputs},
        "outputs": {path.name: sha256(path) for path in outputs},
        "counts": asdict(report),
    }
    manifest = batch.output.with_name(f"{batch.output.name}.manifest.json")
    with whole(manifest) as unfinished:
        unfinished.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8")
