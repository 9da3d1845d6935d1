"""``toxgrade serve``: run the HTTP service and its workers."""

from toxgrade.cli.options import Parser, check_address, settings, whole_number
from toxgrade.cli.worker import start_workers


def arguments(parser: Parser) -> None:
    parser.runs(serve)
    parser.add_argument("--host", help="instead of TOXGRADE_HOST, 127.0.0.1")
    parser.add_argument(
        "--port", type=whole_number(1, 65535), help="instead of TOXGRADE_PORT, 8000"
    )
    parser.add_argument(
        "--demo", action="store_true", help="load the SYNTHETIC cohort as study `demo`"
    )


def serve(host: str | None, port: int | None, demo: bool) -> None:
    """Migrate the database and serve the HTTP API."""
    from toxgrade.server.http.server import run
    from toxgrade.server.main import create_app
    from toxgrade.server.private_files import keep_private
    from toxgrade.server.process import configure
    from toxgrade.server.records.schema import upgrade
    from toxgrade.server.web.charts.chart import prepare_drawing
    from toxgrade.server.web.page import prepare_pictures

    chosen = settings(host=host, port=port)
    check_address(chosen.host, chosen.port)
    configure()
    keep_private(chosen)
    upgrade(chosen.database_url)
    if demo:
        from toxgrade.demo import load_demo

        load_demo(chosen.database_url)
    start_workers(chosen.workers)
    prepare_drawing()
    prepare_pictures()
    run(create_app(chosen), chosen)
