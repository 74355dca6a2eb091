"""The pages for people load everything from the service itself."""

from __future__ import annotations

import asyncio
import re

import httpx
import pytest
from fastapi import FastAPI

from service.app import create_app
from service.settings import Settings

_LOADED = re.compile(r"""(?:src|href)=["']([^"']+)["']|(?:url|spec-url)["']?\s*[:=]\s*["']([^"']+)["']""")


@pytest.fixture(scope="module")
def app() -> FastAPI:
    return create_app(Settings(models=("nothing",), providers="cpu"))


def get(app: FastAPI, path: str, root_path: str = "") -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app, root_path=root_path)
        async with httpx.AsyncClient(transport=transport, base_url="http://percept") as client:
            return await client.get(path)

    return asyncio.run(ask())


@pytest.mark.parametrize("root_path", ["", "/behind/a/proxy"])
@pytest.mark.parametrize(("page", "most"), [("/docs", "swagger-ui-bundle.js"), ("/redoc", "redoc.standalone.js")])
def test_all_that_a_page_loads_is_here(app: FastAPI, page: str, most: str, root_path: str) -> None:
    html = get(app, page, root_path).text
    loaded = {first or second for first, second in _LOADED.findall(html)}
    assert {path.rsplit("/", 1)[1] for path in loaded} >= {most, "openapi.json", "favicon.png"}
    for path in loaded:
        assert path.startswith(f"{root_path}/")
        assert get(app, path.removeprefix(root_path)).status_code == 200, path
    assert "://" not in re.sub(r"<!--.*?-->", "", html, flags=re.DOTALL)


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
def test_the_browser_may_ask_nobody_else_and_show_it_in_no_frame(app: FastAPI, page: str) -> None:
    headers = get(app, page).headers
    policy = dict(each.split(" ", 1) for each in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert not [source for sources in policy.values() for source in sources.split() if "." in source or "*" in source]
    assert headers["referrer-policy"] == "no-referrer"


def test_the_scripts_are_whole(app: FastAPI) -> None:
    assert len(get(app, "/docs/assets/swagger-ui-bundle.js").content) > 1_000_000
    assert get(app, "/docs/assets/swagger-ui.css").headers["content-type"].startswith("text/css")
    assert get(app, "/docs/assets/../core.py").status_code == 404
    assert get(app, "/docs/assets/%2e%2e/core.py").status_code == 404


def test_the_root_leads_to_the_page(app: FastAPI) -> None:
    answer = get(app, "/")
    assert (answer.status_code, answer.headers["location"]) == (307, "/docs")
    assert get(app, "/", "/prefix").headers["location"] == "/prefix/docs"
