"""Bytes of an answer or a file as text that a diff can show, losing nothing that matters."""

import gzip
import hashlib
import io
import re

import polars as pl

_BETWEEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{\[,](?!\s*\n)')


def shown(content: bytes, kind: str) -> str:
    """Return text: JSON and SVG with more line ends, Parquet as its columns and CSV, else a hash.

    Of a PDF only the length is the same twice: its objects come in any order.

    ``kind`` is a media type or a file's suffix.
    """
    if "parquet" in kind:
        return _parquet(content)
    if "pdf" in kind:
        return f"a PDF of {len(content)} bytes"
    if kind.endswith("gz"):
        return f"{_digest(content)}\n{shown(gzip.decompress(content), '.csv')}"
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return _digest(content)
    if "json" in kind:
        return _BETWEEN.sub(_with_line_end, text)
    if "svg" in kind:
        return text.replace("><", ">\n<")
    if "javascript" in kind or kind == ".js":  # a bundle is a megabyte
        return _digest(content)
    return text.replace("\r", "\\r\n") if "hl7" in kind else text


def _with_line_end(found: re.Match[str]) -> str:
    """Return the sign with a line end after it; what stands in quotes stays as it is."""
    return found[0] if found[0][0] == '"' else f"{found[0]}\n"


def _digest(content: bytes) -> str:
    return f"{len(content)} bytes, SHA-256 {hashlib.sha256(content).hexdigest()}"


def _parquet(content: bytes) -> str:
    frame = pl.read_parquet(io.BytesIO(content))
    columns = "".join(f"{name}: {kind}\n" for name, kind in frame.schema.items())
    lists = [name for name, kind in frame.schema.items() if isinstance(kind, pl.List)]
    flat = frame.with_columns(
        pl.col(name).cast(pl.List(pl.String)).list.join("|") for name in lists
    )
    return f"{columns}\n{flat.write_csv()}"
