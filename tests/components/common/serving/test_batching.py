"""Concurrent requests run together, and none of them has to do with another's fate."""

import asyncio
import base64
import threading

import numpy as np
import pytest
from aiohttp.test_utils import TestClient, TestServer

from graft.components.common.serving import batching
from graft.components.common.serving.batching import Batcher
from graft.components.common.serving.refusals import Refusal
from graft.components.common.serving.server import create_app
from graft.components.common.serving.session import SavedModelSession
from graft.components.common.serving.tensorflow_library import TensorFlowError

pytestmark = pytest.mark.slow


class Held:
    """A session that runs once it is let.

    Attributes:
        let: Set to let it run.
        begun: Set when it was asked to.
        runs: The number of images of each run.
    """

    def __init__(self, session):
        self.session, self.signatures, self.runs = session, session.signatures, []
        self.let, self.begun = threading.Event(), threading.Event()

    def run(self, signature, inputs):
        self.begun.set()
        assert self.let.wait(60)
        self.runs.append(len(next(iter(inputs.values()))))
        return self.session.run(signature, inputs)

    def close(self):
        pass  # others need the model


@pytest.fixture(scope="module")
def model(base_path):
    with SavedModelSession(base_path / "1") as session:
        yield session


@pytest.fixture
def held(model):
    session = Held(model)
    yield session
    session.let.set()


@pytest.fixture
def batcher(held):
    batcher = Batcher(held)
    yield batcher
    held.let.set()
    assert batcher.close()


def given(*images):
    array = np.empty(len(images), object)
    array[:] = images
    return {"image_bytes": array}


def busy(batcher, held, image):
    """Has the batcher run one image, for as long as it is held."""
    outcome = batcher.submit("serving_default", given(image))
    assert held.begun.wait(60)
    return outcome


def test_what_waits_runs_together(batcher, held, images, probabilities):
    outcomes = [busy(batcher, held, images[0])]
    outcomes += [batcher.submit("serving_default", given(image)) for image in images[1:9]]
    held.let.set()
    got = np.concatenate([outcome.result(60)["probabilities"] for outcome in outcomes])
    assert held.runs == [1, 8]
    assert np.abs(got - probabilities[:9]).max() < 1e-6


def test_a_batch_has_a_limit_and_the_oldest_come_first(batcher, held, images):
    busy(batcher, held, images[0])
    outcomes = [batcher.submit("serving_default", given(*images[:3])) for _ in range(5)]
    held.let.set()
    assert [len(outcome.result(60)["class"]) for outcome in outcomes] == [3] * 5
    assert held.runs == [1, 6, 6, 3]


def test_pixels_and_other_signatures_run_apart(batcher, held, images):
    busy(batcher, held, images[0])
    pixels = {"image": np.zeros((1, 8, 9, 3), np.uint8)}
    others = [batcher.submit("serve_pixels", pixels) for _ in range(2)]
    strings = [batcher.submit(name, given(images[0])) for name in ("serve_bytes", "serving_default", "serve_bytes")]
    held.let.set()
    for outcome in [*others, *strings]:
        assert outcome.result(60)["class"].shape == (1,)
    assert held.runs == [1, 1, 1, 2, 1]


def test_a_bad_image_fails_alone(batcher, held, images, probabilities):
    busy(batcher, held, images[0])
    good = [batcher.submit("serving_default", given(image)) for image in images[:3]]
    bad = batcher.submit("serving_default", given(images[0][:300], images[1]))
    good += [batcher.submit("serving_default", given(image)) for image in images[3:6]]
    held.let.set()
    with pytest.raises(TensorFlowError, match="JPEG"):
        bad.result(60)
    got = np.concatenate([outcome.result(60)["probabilities"] for outcome in good])
    assert np.abs(got - probabilities[:6]).max() < 1e-6
    assert held.runs == [1, 8, 1, 1, 1, 2, 1, 1, 1]


def test_a_failure_of_any_kind_is_told_and_the_next_batch_runs(batcher, held, images):
    first = busy(batcher, held, images[0])
    wrong = batcher.submit("serving_default", {"another": given(images[0])["image_bytes"]})
    right = batcher.submit("serve_bytes", given(images[0]))
    held.let.set()
    assert first.result(60)
    with pytest.raises(ValueError, match="another"):
        wrong.result(60)
    assert right.result(60)


def test_what_is_cancelled_before_its_turn_does_not_run(batcher, held, images):
    first = busy(batcher, held, images[0])
    outcomes = [batcher.submit("serving_default", given(image)) for image in images[:4]]
    assert outcomes[1].cancel() and outcomes[2].cancel()
    held.let.set()
    assert first.result(60) and outcomes[0].result(60) and outcomes[3].result(60)
    assert held.runs == [1, 2]


def test_too_many_are_refused_and_later_ones_are_not(batcher, held, images, monkeypatch):
    monkeypatch.setattr(batching, "MAX_WAITING", 4)
    first = busy(batcher, held, images[0])
    waiting = batcher.submit("serving_default", given(*images[:3]))
    with pytest.raises(Refusal, match="try again later") as raised:
        batcher.submit("serving_default", given(*images[:2]))
    assert raised.value.status == 503
    held.let.set()
    assert first.result(60) and waiting.result(60)
    assert batcher.submit("serving_default", given(*images[:4])).result(60)


def test_what_waits_when_it_ends_is_cancelled(batcher, held, images):
    first = busy(batcher, held, images[0])
    waiting = batcher.submit("serving_default", given(images[0]))
    threading.Timer(0.2, held.let.set).start()
    assert batcher.close()
    assert first.result(60) and waiting.cancelled()


def test_over_http_a_full_queue_is_503_and_a_client_that_is_gone_makes_room(held, images, monkeypatch):
    monkeypatch.setattr(batching, "MAX_WAITING", 2)
    body = {"instances": [{"b64": base64.b64encode(images[0]).decode()}]}

    async def run():
        async with TestClient(TestServer(create_app(held, "pets", 1))) as client:

            def ask():
                return asyncio.create_task(client.post("/v1/models/pets:predict", json=body))

            first = ask()
            assert await asyncio.to_thread(held.begun.wait, 60)
            (refused,), waiting = await asyncio.wait({ask(), ask(), ask()}, return_when=asyncio.FIRST_COMPLETED)
            assert refused.result().status == 503
            assert "try again later" in (await refused.result().json())["error"]
            gone, stays = waiting
            gone.cancel()
            while True:  # until the server has seen it
                another = ask()
                if not (await asyncio.wait({another}, timeout=0.2))[0]:
                    break
            held.let.set()
            answers = [await first, await stays, await another]
            assert [answer.status for answer in answers] == [200, 200, 200]
            assert held.runs == [1, 2]

    asyncio.run(run())
