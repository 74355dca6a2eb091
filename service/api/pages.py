"""GET /docs and /redoc: the contract for people, whole, with everything that the pages load served from here.

FastAPI's own pages load their scripts from elsewhere: blank without the internet, and a visit is told to others. The
same pages are built here over the files of the package fastapi-offline, and a policy forbids the browser all else.
"""

from __future__ import annotations

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles

_ASSETS = "/docs/assets"
_PACKAGE = ("fastapi_offline", "static")
_SCHEMA = "/openapi.json"
_HEADERS = {
    # the pages' own short scripts are inside of them; frames are refused, for a click there may change models
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; worker-src blob:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
}
_UI = {
    "validatorUrl": None,  # a service of others that would be sent the schema's address
    "displayRequestDuration": True,
    "tryItOutEnabled": True,
    "defaultModelsExpandDepth": 0,
}

router = APIRouter(include_in_schema=False)


def install(app: FastAPI) -> None:
    """Add the pages and their files; the application's own pages are to be switched off."""
    app.include_router(router)
    app.mount(_ASSETS, StaticFiles(packages=[_PACKAGE]), name="assets")


@router.get("/")
async def root(request: Request) -> RedirectResponse:
    """There is no page of our own yet."""
    return RedirectResponse(f"{_prefix(request)}/docs")


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    """Swagger UI: every route, to be tried on the spot."""
    prefix = _prefix(request)
    page = get_swagger_ui_html(
        openapi_url=prefix + _SCHEMA,
        title=f"{request.app.title} API",
        swagger_js_url=f"{prefix}{_ASSETS}/swagger-ui-bundle.js",
        swagger_css_url=f"{prefix}{_ASSETS}/swagger-ui.css",
        swagger_favicon_url=f"{prefix}{_ASSETS}/favicon.png",
        swagger_ui_parameters=_UI,
    )
    return HTMLResponse(page.body, headers=_HEADERS)


@router.get("/redoc")
async def redoc(request: Request) -> HTMLResponse:
    """Redoc: the same to read."""
    prefix = _prefix(request)
    page = get_redoc_html(
        openapi_url=prefix + _SCHEMA,
        title=f"{request.app.title} API",
        redoc_js_url=f"{prefix}{_ASSETS}/redoc.standalone.js",
        redoc_favicon_url=f"{prefix}{_ASSETS}/favicon.png",
        with_google_fonts=False,
    )
    return HTMLResponse(page.body, headers=_HEADERS)


def _prefix(request: Request) -> str:
    """What a proxy puts before every path."""
    return str(request.scope.get("root_path", "")).rstrip("/")
