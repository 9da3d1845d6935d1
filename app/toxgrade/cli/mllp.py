"""``toxgrade mllp``: listen for HL7 v2 messages of an interface engine."""

from pathlib import Path
from typing import TYPE_CHECKING

from toxgrade.cli.options import Parser, check_address, settings, whole_number

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from sqlalchemy import Engine

    from toxgrade.server.ehr.hl7v2.receive import Receiver
    from toxgrade.server.records.db.transaction import Transaction
    from toxgrade.server.records.writer import Writer
    from toxgrade.server.runtime import Runtime
    from toxgrade.server.settings import Settings


def arguments(parser: Parser) -> None:
    parser.runs(mllp)
    add = parser.add_argument
    add("--study", default="default", help="the study to store results in (%(default)s)")
    add("--host", default="127.0.0.1", help="others than this machine need TLS (%(default)s)")
    add("--port", type=whole_number(1, 65535), default=2575, help="(%(default)s)")
    add("--certificate", type=Path, help="ours, PEM, with its chain")
    add("--key", type=Path, help="its private key, PEM")
    add("--clients", type=Path, help="whose certificates senders must show: a CA, PEM")


def mllp(
    study: str, host: str, port: int, certificate: Path | None, key: Path | None,
    clients: Path | None,
) -> None:  # fmt: skip
    """Take HL7 v2 reports (ORU, OUL) over MLLP until stopped; store, grade, acknowledge each."""
    import asyncio

    from toxgrade.server.private_files import keep_private
    from toxgrade.server.process import configure
    from toxgrade.server.records.schema import upgrade

    chosen = settings()
    context = _tls(host, certificate, key, clients)
    check_address(host, port)
    configure()
    keep_private(chosen)
    upgrade(chosen.database_url)
    asyncio.run(_listen(chosen, study, host, port, context))


def _tls(
    host: str, certificate: Path | None, key: Path | None, clients: Path | None
) -> "ssl.SSLContext | None":
    """Return a context in which both sides show certificates, as MLLP authenticates nobody.

    None: no certificates are given, and only this machine can reach ``host``.
    """
    import ssl

    from toxgrade.errors import RequestError
    from toxgrade.server.settings import is_loopback

    if certificate is None and key is None and clients is None:
        if not is_loopback(host):
            text = "other machines reach it: give --certificate, --key and --clients"
            raise RequestError(f"--host: {text}")
        return None
    if certificate is None or key is None or clients is None:
        raise RequestError("--certificate, --key and --clients are given together")
    try:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(clients))
        context.load_cert_chain(certificate, key)
    except OSError:  # This includes ssl.SSLError.
        text = "expected readable PEM files that belong together"
        raise RequestError(f"--certificate, --key, --clients: {text}") from None
    context.verify_mode = ssl.CERT_REQUIRED
    return context


async def _listen(
    chosen: "Settings", study: str, host: str, port: int, context: "ssl.SSLContext | None"
) -> None:
    import asyncio
    import signal

    from toxgrade.server.ehr.hl7v2.mllp import Limits, Listener
    from toxgrade.server.records.db.engine import build_engine, read_only
    from toxgrade.server.records.studies import find_study
    from toxgrade.server.records.writer import Writer
    from toxgrade.server.runtime import MACHINE

    engine = build_engine(chosen.database_url)
    with read_only(engine).connect() as connection:
        find_study(connection, study)
    runtime = MACHINE
    writer, stop = Writer(engine, runtime), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    limits = Limits(chosen.max_body_bytes, chosen.slow_client_seconds)
    try:
        listener = Listener(_receivers(chosen, study, writer, engine, runtime), limits, runtime)
        await listener.run(host, port, stop, context)
    finally:
        writer.close()
        engine.dispose()


def _receivers(
    chosen: "Settings", study: str, writer: "Writer", engine: "Engine", runtime: "Runtime"
) -> "Callable[[str], Receiver]":
    """Return a function that makes the receiver for a sender's address; it stores and audits."""
    import asyncio
    from dataclasses import replace
    from getpass import getuser

    from toxgrade.criteria.reader import load
    from toxgrade.errors import RequestError
    from toxgrade.grading.rules import Graders, Rules
    from toxgrade.server.ehr.hl7v2.receive import Receiver
    from toxgrade.server.ehr.hl7v2.report import Site, check_codes
    from toxgrade.server.records.audit_log import AuditAction
    from toxgrade.server.records.db.engine import read_only
    from toxgrade.server.records.studies import rules_of

    graders = Graders(load())
    site = Site(chosen.hl7v2_authority, chosen.hl7v2_codes, chosen.hl7v2_charset)
    check_codes(site.codes, graders.for_rules(Rules()).names)
    actor = f"mllp:{getuser()}"

    def read_rules() -> Rules:
        with read_only(engine).connect() as connection:
            return rules_of(connection, study)

    async def rules() -> Rules:
        return await asyncio.to_thread(read_rules)

    def receiver_for(address: str) -> Receiver:
        async def write(job: "Callable[[Transaction], str]", patient: str | None, _: int) -> str:
            act = AuditAction(actor, "MLLP ORU^R01", study, patient, address)
            try:
                return await asyncio.wrap_future(writer.submit(job, act, is_panel=True))
            except RequestError as error:
                refused = replace(act, outcome=f"refused: {type(error).__name__}")
                await asyncio.wrap_future(writer.submit(lambda _: None, refused))
                raise

        return Receiver(study, graders, write, rules, site, chosen.max_results, runtime)

    return receiver_for
