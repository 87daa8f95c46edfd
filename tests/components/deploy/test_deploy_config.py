"""A configuration is about one target: what is another's, or missing, is refused in a sentence each."""

import pytest

from graft.components.common.config import configure
from graft.components.common.errors import GraftError
from graft.components.deploy.config import DeployConfig


@pytest.mark.parametrize(
    ("fields", "problems"),
    [
        ({}, ["deploy: to is missing: the target folder needs it."]),
        ({"to": "x", "canary": 101}, ["deploy: canary can't be 101: Input should be less than or equal to 100."]),
        (
            {"to": "x", "endpoint": "pets"},
            ["deploy: endpoint is for the target vertex, and the target is folder: leave it out."],
        ),
        ({"to": "x", "canarry": 10}, ["deploy has no setting 'canarry': there are target, "]),
        (
            {"target": "vertex", "project": "p", "image": "i", "to": "x"},
            [
                "deploy: location is missing: the target vertex needs it.",
                "deploy: to is for the target folder, and the target is vertex: leave it out.",
            ],
        ),
        (
            {"to": "s3://key:secret@bucket/served"},
            [
                "deploy: to holds a user name, password or query string beside s3://bucket/served, which others could read: "
            ],
        ),
        ({"target": "kserve", "ingress": "http://user:secret@host"}, ["deploy: ingress can't be "]),
        ({"target": "moon"}, ["deploy: target can't be 'moon': "]),
    ],
)
def test_what_can_t_be(fields, problems):
    with pytest.raises(GraftError) as refused:
        configure("deploy", DeployConfig, fields)
    assert len(refused.value.problems) == len(problems)
    for said, expected in zip(refused.value.problems, problems, strict=True):
        assert said.startswith(expected)


def test_later_layers_win_and_what_targets_share_is_taken_by_each():
    config = configure("deploy", DeployConfig, {"to": "x", "keep": 3}, {"keep": 2})
    assert (config.target, config.to, config.keep) == ("folder", "x", 2)
    where = {"target": "vertex", "project": "p", "location": "europe-west4", "image": "i"}
    assert configure("deploy", DeployConfig, where | {"keep": 0}).keep == 0
