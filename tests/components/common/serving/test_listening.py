"""Listening at an address of this machine."""

import asyncio

import pytest
from aiohttp import web

from graft.components.common.errors import GraftError
from graft.components.common.serving.listening import HOST, bind, listen


def test_of_two_that_take_an_address_at_the_same_time_one_is_told():
    with bind(HOST, 0) as first:
        port = first.getsockname()[1]
        with bind(HOST, port) as second:
            first.listen()
            with pytest.raises(
                GraftError, match=f"Port {port} of {HOST} can't be listened at .*: name another by --port"
            ):
                asyncio.run(listen(web.Application(), second, pytest.fail))
