"""The web application: an HTTP API for programs and a dashboard for people."""

import io
from collections.abc import Callable, Mapping
from http import HTTPStatus
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import msgspec
from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import HTMLResponse
from starlette.middleware.gzip import GZipMiddleware

from mien.broker.query import EmotionLog, Result
from mien.broker.query.aggregate import MINUTE_COLUMNS
from mien.broker.query.observations import OBSERVATION_NOTE
from mien.output import print_csv, to_plain_rows
from mien.version import VERSION

from .api_models import (
    Collectors,
    Counts,
    CountsParameters,
    Devices,
    Drift,
    Observations,
    ObservationsParameters,
    Thresholds,
    TimezoneParameters,
)
from .auth import COOKIE, AuthMiddleware
from .event_stream import EventBroadcaster, EventStream
from .login_pauses import LoginPauses
from .problems import PROBLEM_RESPONSES, add_problem_handlers
from .response_cache import ResponseCache
from .sessions import Sessions

CACHE_S = 1.0
"""How long a response that was quick to build is served from the cache."""
STATIC = files("mien.broker.web") / "static"
ASSETS = {"dashboard.css": "text/css", "dashboard.js": "text/javascript", "charts.js": "text/javascript"}
DAY_S = 86_400
CSV_RESPONSE: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {}}}}
Content = tuple[bytes, str]
"""A body and its media type. Responses themselves are not cached, since middleware changes them."""


def create_app(
    log: EmotionLog, *, token: str | None = None, hosts: tuple[str, ...] = (), is_proxied: bool = False
) -> FastAPI:
    """Create the application for a log; its time zone is that of clients that name none.

    token: what clients must present; without one, only clients on this machine are served. hosts: further host names
    to serve. is_proxied: whether a reverse proxy on this machine says whose requests it passes on. `app.state.events`
    is the EventBroadcaster, whose streams end only when it is closed.
    """
    app = FastAPI(
        title="mien",
        version=VERSION,
        summary="The emotion log.",
        description=OBSERVATION_NOTE,
        docs_url=None,  # these pages load scripts from a CDN
        redoc_url=None,
    )
    add_problem_handlers(app)
    sessions = Sessions()
    _add_api(app, log, None if token is None else sessions)
    _add_pages(app, has_login=token is not None)
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=5)
    app.add_middleware(
        AuthMiddleware, token=token, hosts=hosts, is_proxied=is_proxied, sessions=sessions, pauses=LoginPauses()
    )
    return app


def _add_api(app: FastAPI, log: EmotionLog, sessions: Sessions | None) -> None:
    cache: ResponseCache[Content] = ResponseCache(CACHE_S)
    broadcaster = EventBroadcaster(log.in_zone("UTC").tail, on_change=cache.invalidate)
    app.state.events = broadcaster

    def respond(request: Request, build: Callable[[EmotionLog], Content], timezone: str | None) -> Response:
        local_log = log.in_zone(timezone) if timezone else log
        body, media_type = cache.get(str(request.url), lambda: build(local_log))
        return Response(body, media_type=media_type, headers={"Cache-Control": "no-store"})

    @app.get("/api/observations", response_model=Observations, responses=PROBLEM_RESPONSES | CSV_RESPONSE)
    def observations(parameters: Annotated[ObservationsParameters, Query()], request: Request) -> Response:
        """The newest observations; pass `next` as `after` to get older ones."""

        def build(log: EmotionLog) -> Content:
            page = log.page(parameters.after, limit=parameters.limit, **parameters.filter_options())
            if parameters.format == "csv":
                return _to_csv(page)
            return _to_json({"observations": _to_plain(page), "next": page.next and str(page.next)})

        return respond(request, build, parameters.timezone)

    @app.get("/api/counts", response_model=Counts, responses=PROBLEM_RESPONSES | CSV_RESPONSE)
    def counts(parameters: Annotated[CountsParameters, Query()], request: Request) -> Response:
        """The number of observations in each group, from the quarter-hour counts wherever these suffice."""

        def build(log: EmotionLog) -> Content:
            result = log.counts(parameters.by, **parameters.filter_options())
            if parameters.format == "csv":
                return _to_csv(result)
            return _to_json({"counts": _to_plain(result), "source": result.source})

        return respond(request, build, parameters.timezone)

    @app.get("/api/devices", response_model=Devices, responses=PROBLEM_RESPONSES)
    def devices(parameters: Annotated[TimezoneParameters, Query()], request: Request) -> Response:
        """The state of each device, its newest observation, and the number of its gaps."""
        return respond(request, lambda log: _to_json({"devices": _to_plain(log.devices())}), parameters.timezone)

    @app.get("/api/drift", response_model=Drift, responses=PROBLEM_RESPONSES)
    def drift(parameters: Annotated[TimezoneParameters, Query()], request: Request) -> Response:
        """How much each device's predictions of the last day differ from those of the two weeks before."""
        return respond(request, lambda log: _to_json({"devices": _to_plain(log.drift())}), parameters.timezone)

    @app.get("/api/thresholds", response_model=Thresholds, responses=PROBLEM_RESPONSES)
    def thresholds(parameters: Annotated[TimezoneParameters, Query()], request: Request) -> Response:
        """The confidence below which predictions should be shown as uncertain, by model."""
        return respond(request, lambda log: _to_json({"thresholds": log.thresholds}), parameters.timezone)

    @app.get("/api/collectors", response_model=Collectors, responses=PROBLEM_RESPONSES)
    def collectors(parameters: Annotated[TimezoneParameters, Query()], request: Request) -> Response:
        """The state of each collector; one that is busy stores nothing, and devices keep their observations."""
        return respond(request, lambda log: _to_json({"collectors": _to_plain(log.collectors())}), parameters.timezone)

    @app.get("/api/events", status_code=HTTPStatus.OK, response_class=EventStream, responses=PROBLEM_RESPONSES)
    async def events(request: Request) -> Response:
        """Server-sent events: `ready`, `observations` as they are stored (UTC), `problem` if the log is unreadable.

        At most 64 clients may listen. The stream of a session ends with it.
        """
        cookie = request.cookies.get(COOKIE, "")
        is_session = sessions is not None and sessions.is_open(cookie)  # otherwise it has sent the token itself
        return EventStream(broadcaster, lambda: not is_session or (sessions is not None and sessions.is_open(cookie)))


def _add_pages(app: FastAPI, *, has_login: bool) -> None:
    plotly = version("plotly")
    dashboard = (STATIC / "dashboard.html").read_text(encoding="utf-8").replace("PLOTLY", plotly)
    dashboard = dashboard.replace('class="logout" hidden', 'class="logout"' if has_login else 'class="logout" hidden')

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    def root() -> HTMLResponse:
        return HTMLResponse(dashboard, headers={"Cache-Control": "no-cache"})

    @app.get("/login", response_class=HTMLResponse, include_in_schema=False)
    def login(wrong: str = "", wait: int = 0) -> HTMLResponse:
        page = (STATIC / "login.html").read_text(encoding="utf-8").replace("SECONDS", str(wait))
        shown = "wait" if wait else "wrong" if wrong else "none"
        return HTMLResponse(page.replace(f'class="problem {shown}" hidden', f'class="problem {shown}"'))

    @app.get(f"/assets/plotly-{plotly}.js", include_in_schema=False)
    def plotly_script() -> Response:
        script = Path(str(files("plotly"))) / "package_data" / "plotly.min.js"
        return _asset_response(script.read_bytes(), "text/javascript", 365 * DAY_S)

    for name, media_type in ASSETS.items():
        content = (STATIC / name).read_bytes()
        app.add_api_route(f"/assets/{name}", _asset_route(content, media_type), include_in_schema=False)


def _asset_route(content: bytes, media_type: str) -> Callable[[], Response]:
    return lambda: _asset_response(content, media_type, 0)


def _asset_response(content: bytes, media_type: str, max_age_s: int) -> Response:
    cache_control = f"public, max-age={max_age_s}, immutable" if max_age_s else "no-cache"
    return Response(content, media_type=media_type, headers={"Cache-Control": cache_control})


def _to_json(value: Mapping[str, Any]) -> Content:
    return msgspec.json.encode(value), "application/json"


def _to_plain(result: Result[Any]) -> list[dict[str, Any]]:
    return list(to_plain_rows(result.to_dicts(), minute_columns=MINUTE_COLUMNS))


def _to_csv(result: Result[Any]) -> Content:
    file = io.StringIO()
    print_csv(result.to_dicts(), columns=result.columns, minute_columns=MINUTE_COLUMNS, file=file)
    return file.getvalue().encode(), "text/csv"
