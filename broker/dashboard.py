"""The emotion log over HTTP: an interface for programs, and a page for people."""

import io
from collections.abc import AsyncIterable, Iterable, Mapping
from datetime import UTC
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import msgspec
from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import HTMLResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sqlalchemy import Engine
from starlette.middleware.gzip import GZipMiddleware

from mien.version import VERSION

from .access import Access
from .answer import NOTE, plain_rows, print_csv
from .counting import columns_of, count_observations
from .devices import list_devices
from .following import Follower
from .forms import Counts, CountsAsked, Devices, Observations, ObservationsAsked, Zoned
from .fresh import Fresh
from .listing import COLUMNS, Mark, list_page
from .news import Newsroom
from .problems import DOCUMENTED, handle_problems
from .question import Question, ask, parse_groups, parse_zone

KEEP_S = 1.0
"""How old a quick answer may be."""
ASSETS = {"page.css": "text/css", "page.js": "text/javascript", "charts.js": "text/javascript"}
DAY_S = 86_400
CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {}}}}
Answer = tuple[bytes, str]
"""A body and its media type; a response is made anew for each who asks, since middleware changes it."""
PAGE = files("mien.broker") / "page"


def make_dashboard(
    engine: Engine, *, token: str | None = None, hosts: tuple[str, ...] = (), timezone: str | None = None
) -> FastAPI:
    """The application that answers from a log, as `open_for_reading` opens it.

    token: what people log in with; without one only this machine is answered. hosts: other names to answer under.
    timezone: of those who name none. UsageError if it is not known.
    """
    parse_zone(timezone)
    app = FastAPI(
        title="mien",
        version=VERSION,
        summary="The emotion log.",
        description=NOTE,
        docs_url=None,  # these pages come from a CDN
        redoc_url=None,
    )
    handle_problems(app)
    _add_interface(app, engine, timezone)
    _add_page(app)
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=5)
    app.add_middleware(Access, token=token, hosts=hosts)
    return app


def _add_interface(app: FastAPI, engine: Engine, timezone: str | None) -> None:
    fresh: Fresh[Answer] = Fresh(KEEP_S)
    newsroom = Newsroom(lambda: Follower(engine, Question(), zone=UTC), before=fresh.forget)

    @app.get("/api/observations", response_model=Observations, responses=DOCUMENTED | CSV)
    def observations(asked: Annotated[ObservationsAsked, Query()], request: Request) -> Response:
        """The newest observations; `next`, given back as `after`, continues with older ones."""

        def answer() -> Answer:
            zone = parse_zone(asked.timezone or timezone)
            after = None if asked.after is None else Mark.parse(asked.after)
            page = list_page(engine, ask(zone, **asked.asked()), limit=asked.limit, zone=zone, after=after)
            if asked.format == "csv":
                return _csv(page.rows, COLUMNS)
            return _json({"observations": list(plain_rows(page.rows)), "next": page.next and str(page.next)})

        return _response(fresh.get(str(request.url), answer))

    @app.get("/api/counts", response_model=Counts, responses=DOCUMENTED | CSV)
    def counts(asked: Annotated[CountsAsked, Query()], request: Request) -> Response:
        """How many observations in each group, from the counts that are kept where these have the answer."""

        def answer() -> Answer:
            zone = parse_zone(asked.timezone or timezone)
            groups = parse_groups(asked.by)
            found = count_observations(engine, ask(zone, **asked.asked()), by=groups, zone=zone)
            if asked.format == "csv":
                return _csv(found.rows, columns_of(groups))
            return _json({"counts": list(plain_rows(found.rows)), "source": found.source})

        return _response(fresh.get(str(request.url), answer))

    @app.get("/api/devices", response_model=Devices, responses=DOCUMENTED)
    def devices(asked: Annotated[Zoned, Query()], request: Request) -> Response:
        """How each device is, what it last saw, and what is missing of it."""
        zone = parse_zone(asked.timezone or timezone)

        def answer() -> Answer:
            return _json({"devices": list(plain_rows(list_devices(engine, zone=zone)))})

        return _response(fresh.get(str(request.url), answer))

    @app.get("/api/events", response_class=EventSourceResponse, responses=DOCUMENTED)
    async def events() -> AsyncIterable[ServerSentEvent]:
        """Server-sent events: `observations` as they are stored, in UTC, and `trouble` while the log cannot be read."""
        yield ServerSentEvent(event="begin", data=VERSION)
        async for news in newsroom.listen():
            if news.trouble:
                yield ServerSentEvent(event="trouble", data=news.trouble)
            else:
                yield ServerSentEvent(event="observations", data=news.observations)


def _add_page(app: FastAPI) -> None:
    plotly = version("plotly")
    page = (PAGE / "page.html").read_text(encoding="utf-8").replace("PLOTLY", plotly)

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    def root() -> HTMLResponse:
        return HTMLResponse(page, headers={"Cache-Control": "no-cache"})

    @app.get("/login", response_class=HTMLResponse, include_in_schema=False)
    def login(wrong: str = "") -> HTMLResponse:
        shown = (PAGE / "login.html").read_text(encoding="utf-8")
        return HTMLResponse(shown.replace("hidden", "" if wrong else "hidden"))

    @app.get(f"/assets/plotly-{plotly}.js", include_in_schema=False)
    def script() -> Response:
        bundle = Path(str(files("plotly"))) / "package_data" / "plotly.min.js"
        return _asset(bundle.read_bytes(), "text/javascript", 365 * DAY_S)

    for name, kind in ASSETS.items():
        content = (PAGE / name).read_bytes()
        app.add_api_route(f"/assets/{name}", _given(content, kind), include_in_schema=False)


def _given(content: bytes, kind: str) -> Any:
    return lambda: _asset(content, kind, 0)


def _asset(content: bytes, kind: str, age_s: int) -> Response:
    keep = f"public, max-age={age_s}, immutable" if age_s else "no-cache"
    return Response(content, media_type=kind, headers={"Cache-Control": keep})


def _json(answer: Mapping[str, Any]) -> Answer:
    return msgspec.json.encode(answer), "application/json"


def _csv(rows: Iterable[Mapping[str, Any]], columns: Iterable[str]) -> Answer:
    file = io.StringIO()
    print_csv(rows, file, columns=columns)
    return file.getvalue().encode(), "text/csv"


def _response(answer: Answer) -> Response:
    body, kind = answer
    return Response(body, media_type=kind, headers={"Cache-Control": "no-store"})
