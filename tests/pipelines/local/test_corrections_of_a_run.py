"""A run's steps find the list of corrections wherever they run."""

import json

import pytest

from graft.pipelines.local.run_arguments import _with_absolute_corrections


@pytest.mark.parametrize(
    ("named", "found"),
    [
        ("said.csv", "{}/said.csv"),
        ("gs://bucket/said.csv", "gs://bucket/said.csv"),
        ("/lists/said.url", "/lists/said.url"),
    ],
)
def test_a_path_is_resolved_and_the_other_settings_stay(tmp_path, monkeypatch, named, found):
    monkeypatch.chdir(tmp_path)
    sections = {"ingest": {"limit": 3, "corrections": named}, "gate": {"min_accuracy": 0.5}}
    config, corrections = _with_absolute_corrections(json.dumps(sections))
    assert corrections == found.format(tmp_path.resolve())
    sections["ingest"]["corrections"] = corrections
    assert json.loads(config) == sections


@pytest.mark.parametrize("config", ["", "{}", '{"ingest": {"limit": 3}}', '{"ingest": {"corrections": ""}}'])
def test_a_config_that_names_none_stays_as_it_is(config):
    assert _with_absolute_corrections(config) == (config, "")
