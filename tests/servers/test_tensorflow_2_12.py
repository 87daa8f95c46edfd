"""TensorFlow 2.12's C library, in a folder of its own, runs an Export: `make servers` puts it there and runs this.

It is older than what wrote the SavedModel by nine versions, as the TensorFlow Serving of many sites may be.
"""

import json
import subprocess
import sys

import numpy as np
import pytest
from sent_images import bad_images, odd_images
from support import ROOT, skip

from graft.components.common.serving.session import SavedModelSession

pytestmark = pytest.mark.slow

LIBRARY = ROOT / "build/servers/tensorflow-2.12/tensorflow/libtensorflow_cc.so.2"
INPUT = "image_bytes"
# One process can't have two of these libraries. It tells what it makes of each file, in their order.
RUN = """
import json, sys
from pathlib import Path
import numpy as np
from graft.components.common.serving.session import SavedModelSession
from graft.components.common.serving.tensorflow_library import TensorFlowError
library, model, *paths = map(Path, sys.argv[1:])
answers = []
with SavedModelSession(model, library) as session:
    for path in paths:
        try:
            outputs = session.run("serving_default", {"image_bytes": np.array([path.read_bytes()], object)})
            answers.append([outputs["label"][0].decode(), outputs["probabilities"][0].tolist()])
        except TensorFlowError as error:
            answers.append([error.code, str(error)])
    Path("answers.json").write_text(json.dumps([session.version, answers]))
"""


@pytest.fixture(scope="session", autouse=True)
def library():
    if not LIBRARY.exists():
        skip("tensorflow-2.12", f"{LIBRARY.relative_to(ROOT)} doesn't exist: make servers")
    return LIBRARY


def test_an_older_library_gives_the_same_and_survives_what_is_no_image(library, chain, images, expected, tmp_path):
    model = chain / "export/serving/model/1"
    odd, bad = odd_images(images), bad_images(images[0])
    sent = [*images, *odd, *(content for content, _ in bad), images[0]]
    for number, content in enumerate(sent):
        (tmp_path / f"{number}.image").write_bytes(content)
    paths = [f"{number}.image" for number in range(len(sent))]
    command = [sys.executable, "-c", RUN, library, model, *paths]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    version, answers = json.loads((tmp_path / "answers.json").read_text())
    assert version.startswith("2.12.")
    *answers, last = answers
    good, refused = answers[: -len(bad)], answers[-len(bad) :]
    array = np.empty(len(odd), object)
    array[:] = odd
    with SavedModelSession(model) as session:
        of_odd = session.run("serving_default", {INPUT: array})["probabilities"]
    probabilities = np.concatenate([expected, of_odd])
    got = np.array([given for _, given in good])
    assert np.abs(got - probabilities).max() < 1e-5
    assert [label for label, _ in good] == [("cats", "dogs")[number] for number in probabilities.argmax(axis=1)]
    for (code, message), (_, reason) in zip(refused, bad, strict=True):
        assert code == 3 and reason in message
    assert last == good[0]
