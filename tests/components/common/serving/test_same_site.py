"""A page of another site in the same browser can't use a server of this machine; programs and its own page can."""

import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from graft.components.common.serving.same_site import same_site


def ask(headers, address="127.0.0.1"):
    """Returns the status and the text of the answer to a request with these headers, and how many requests were handled."""
    handled = []

    async def handle(request):
        handled.append(request)
        return web.Response(text="done")

    async def run():
        app = web.Application(middlewares=[same_site(address)])
        app.router.add_post("/", handle)
        async with TestClient(TestServer(app)) as client:
            answer = await client.post("/", headers=headers)
            return answer.status, await answer.text(), len(handled)

    return asyncio.run(run())


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8501", "localhost:8501", "localhost", "LOCALHOST", "[::1]:9000", "127.0.0.1"]
)
@pytest.mark.parametrize("origin", [None, "http://{}", "https://{}"])
def test_programs_and_its_own_page_are_answered(host, origin):
    headers = {"Host": host} | ({"Origin": origin.format(host)} if origin else {})
    assert ask(headers) == (200, "done", 1)


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "",
        "http://127.0.0.1:8502",
        "http://localhost:8501",
        "http://127.0.0.1:8501.evil.example",
    ],
)
def test_a_page_of_another_site_is_refused(origin):
    status, text, handled = ask({"Host": "127.0.0.1:8501", "Origin": origin})
    assert (status, handled) == (403, 0) and "can't use this server" in text


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:8501",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil.example@",
        "",
        "[bad",
        "2130706433",
        "0.0.0.0",
        "10.0.0.1",
    ],
)
def test_a_name_that_was_made_to_point_here_is_refused(host):
    status, text, handled = ask({"Host": host, "Origin": f"http://{host}"})
    assert (status, handled) == (403, 0) and "ask for 127.0.0.1 or localhost" in text


def test_a_server_for_other_machines_goes_by_any_name_and_still_refuses_other_pages():
    assert ask({"Host": "pets.default.svc"}, "0.0.0.0") == (200, "done", 1)
    assert ask({"Host": "pets.default.svc", "Origin": "http://evil.example"}, "0.0.0.0")[0] == 403
