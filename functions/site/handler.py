"""The web pages, their scripts, /docs and /openapi.json: the one ASGI function, Starlette behind Mangum."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from mangum import Mangum
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inlet.headers import matches_etag
from inlet.settings import settings
from inlet.website import ASK_AGAIN, FOR_EVER, File, Website, meta

settings.refuse_unsafe()

PAGES = {  # address: (page, its section in the navigation)
    "/": ("photo", "/"),
    "/processing/{job_id}": ("photo", "/"),
    "/files": ("files", "/files"),
    "/your-files": ("your-files", "/files"),
    "/your-files/{session_id}": ("file-set", "/files"),
    "/recorder": ("recorder", "/recorder"),
    "/recordings": ("recordings", "/recordings"),
    "/recordings/{session_id}": ("recording", "/recordings"),
    "/account": ("account", ""),
    "/signed-in": ("signed-in", ""),
    "/docs": ("docs", "/docs"),
}
SWAGGER_UI = ("swagger-ui-bundle.min.js", "swagger-ui.min.css")


async def page(request: Request) -> Response:
    """Serve a page. The browser reads the ids in its address."""
    name, section = PAGES[request.scope["route"].path]
    return _answer(request, website(_client_id(request)).page(name, section=section), ASK_AGAIN)


async def static(request: Request) -> Response:
    """Serve a script, style or picture; a plain one with or without the version in front."""
    path: str = request.path_params["path"]
    version, _, versioned = path.partition("/")
    site = website(_client_id(request))
    if file := site.files.get(path):
        return _answer(request, file, site.cache_control(path))
    if file := site.files.get(versioned):
        # A page of another release gets what there is now, but must not keep it under that name.
        return _answer(request, file, FOR_EVER if version == site.version else ASK_AGAIN)
    raise HTTPException(404)


async def swagger_ui(request: Request) -> Response:
    """Serve Swagger UI from Powertools' own copy: from no other site."""
    if request.path_params["name"] not in SWAGGER_UI:
        raise HTTPException(404)
    return _answer(request, _swagger_ui(request.path_params["name"]), ASK_AGAIN)


async def openapi(request: Request) -> Response:
    """Serve the API document."""
    return _answer(request, _openapi(website(_client_id(request))), ASK_AGAIN)


async def refused(request: Request, error: Exception) -> Response:
    """Answer what is not there, in the form its caller reads."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    if request.url.path.startswith("/api/"):
        return JSONResponse({"error": "Not found.", "code": "NOT_FOUND"}, 404)
    if status != 404 or request.url.path.startswith("/web/"):
        return PlainTextResponse("Not found" if status == 404 else "Method not allowed", status)
    missing = website(_client_id(request)).page("not-found")
    return Response(missing.content, 404, media_type=missing.media_type)


@cache
def website(client_id: str) -> Website:
    """Read at the first request: importing needs no setting. `client_id` is the pages' own at the issuer."""
    head = meta("bucket", origin=_bucket_origin())
    if settings.posthog_api_key:
        head += meta("posthog", key=settings.posthog_api_key, host=settings.posthog_host)
    if settings.oidc_issuer and client_id:
        scope, resource = settings.oidc_scope, settings.oidc_resource
        head += meta("sign-in", issuer=settings.oidc_issuer, client=client_id, scope=scope, resource=resource)
    return Website(Path(settings.web_directory), head)


def _client_id(request: Request) -> str:
    """Return the pages' client at the issuer; that of the stack's own user pool comes with the API's stage."""
    stage_variables = request.scope["aws.event"].get("stageVariables") or {}
    return settings.oidc_client_id or stage_variables.get("userPoolClient", "")


@cache
def _openapi(site: Website) -> File:
    return site.read("openapi.json")


@cache
def _swagger_ui(name: str) -> File:
    powertools = find_spec("aws_lambda_powertools")  # locates, imports nothing
    if powertools is None or powertools.origin is None:
        raise HTTPException(404)
    path = Path(powertools.origin).parent / "event_handler/openapi/swagger_ui" / name
    return File(path, path.suffix)


def _answer(request: Request, file: File, cache_control: str) -> Response:
    encoding, content = file.encoded(request.headers.get("accept-encoding", "")) or ("", file.content)
    etag = f'"{file.etag}-{encoding}"' if encoding else f'"{file.etag}"'
    headers = {"etag": etag, "cache-control": cache_control, "vary": "accept-encoding"}
    if matches_etag(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    if encoding:
        headers["content-encoding"] = encoding
    headers |= {"content-length": str(len(content)), "content-type": file.media_type}
    return Response(b"" if request.method == "HEAD" else content, headers=headers)


class SecurityHeaders:
    """Puts the same strict headers on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; add the headers to its answer."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_security_headers())
            await send(message)

        await self._app(scope, receive, send_with_headers)


@cache
def _security_headers() -> dict[str, str]:
    bucket = _bucket_origin()
    analytics = _origin(settings.posthog_host) if settings.posthog_api_key else ""
    live = _origin(settings.live_url) if settings.live_url else ""
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "connect-src": " ".join(filter(None, ["'self'", bucket, analytics, live, *_issuer_origins()])),
        "img-src": f"'self' blob: data: {bucket}",
        "media-src": f"'self' blob: {bucket}",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    return {
        "content-security-policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "cross-origin-opener-policy": "same-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=(self)",
        "referrer-policy": "no-referrer",
        "strict-transport-security": "max-age=63072000; includeSubDomains",
        "x-content-type-options": "nosniff",
    }


def _issuer_origins() -> list[str]:
    """Return where the pages ask for tokens: Cognito, for one, describes itself elsewhere than it answers."""
    if not settings.oidc_issuer:
        return []
    return list(dict.fromkeys(filter(None, [_origin(settings.oidc_issuer), settings.oidc_endpoint_origin])))


def _bucket_origin() -> str:
    """Return where presigned URLs lead: the endpoint of R2 or a local server, else S3's name for the bucket."""
    if settings.s3_endpoint_url:
        return _origin(settings.s3_endpoint_url)
    host = "s3" if settings.s3_region == "us-east-1" else f"s3.{settings.s3_region}"
    return f"https://{settings.bucket}.{host}.amazonaws.com"


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


app = Starlette(
    routes=[
        Route("/openapi.json", openapi),
        Route("/docs/{name}", swagger_ui),
        Route("/web/{path:path}", static),
        *(Route(path, page) for path in PAGES),
    ],
    exception_handlers={404: refused, 405: refused},
    middleware=[Middleware(SecurityHeaders)],
)
lambda_handler = Mangum(app, lifespan="off")
