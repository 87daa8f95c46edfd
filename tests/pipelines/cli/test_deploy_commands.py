"""`graft deploy` into a folder, and out of it again: what a person sees and does."""

import pytest
import yaml
from signing_keys import make_pair
from tiny_exports import NAME, Published, make_tiny_export, write_models

from graft.components.common.errors import GraftError
from graft.components.common.registry.registry import Registry
from graft.pipelines.cli.app import app


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    write_models(folder / "models", 2)
    for seed in range(2):
        make_tiny_export(folder / "models", folder / str(seed), seed)
    return folder


@pytest.fixture
def published(exports, tmp_path):
    for seed in range(2):
        Registry(str(tmp_path / "store"), NAME).publish(exports / str(seed))
    return Published(tmp_path / "store")


@pytest.fixture
def graft(tmp_path, capsys):
    """Runs a command, and returns what it prints."""

    def run(*words):
        app([*map(str, words), "--store", str(tmp_path / "store")], result_action="return_value")
        return capsys.readouterr().out

    return run


@pytest.mark.slow
def test_a_version_comes_into_traffic_and_goes_out_of_it(published, graft, tmp_path, capsys):
    to = ("--to", tmp_path / "served")
    first, second = (version[:12] for version in (published.promote(0), published.versions[1]))
    where = f"folder {tmp_path / 'served' / NAME}"
    with pytest.raises(SystemExit, match="1"):
        graft("deploy", "status", NAME, *to)
    assert f"The latest version, {first}, gets no traffic" in capsys.readouterr().out
    assert graft("deploy", NAME, *to, "--dry-run").startswith(f"{where} would get version {first} as number 1")
    assert not (tmp_path / "served").exists()
    assert graft("deploy", NAME, *to) == f"{where} now gives 100% of its traffic to version {first}\n"
    assert graft("deploy", NAME, *to) == f"{where} already gives 100% of its traffic to version {first}\n"
    assert graft("deploy", NAME, *to, "--dry-run") == f"{where} already gives 100% of its traffic to version {first}\n"
    published.promote(1)
    graft("deploy", NAME, *to)
    rows = [line.split() for line in graft("deploy", "status", NAME, *to).splitlines()]
    assert rows[1:3] == [
        ["number", "2", second, "100%", "latest"],
        ["number", "1", first, "0%", "promoted", "earlier"],
    ]
    assert rows[3] == [*where.split(), "serves", "the", "latest", "version."]
    said = graft("registry", "rollback", NAME, "--reason", "it is bad", "--deploy", *to)
    assert said.splitlines() == [
        f"pets: the latest version is {published.versions[0]}",
        f"{where} now gives 100% of its traffic to version {first}",
    ]
    assert sorted(path.name for path in (tmp_path / "served" / NAME).iterdir() if path.name.isdecimal()) == ["3"]


def test_status_tells_what_must_not_be_there(published, graft, tmp_path, capsys):
    to = ("--to", tmp_path / "served")
    (tmp_path / "served" / NAME / "7").mkdir(parents=True)
    published.promote(0)
    with pytest.raises(SystemExit, match="1"):
        graft("deploy", "status", NAME, *to)
    said = capsys.readouterr().out
    assert "number 7" in said and "What is not deployed by Graft is there, and gets 100% of the traffic" in said


def test_settings_come_from_a_profile_too(published, graft, tmp_path):
    profile = tmp_path / "profile.yaml"
    profile.write_text(f"deploy:\n  target: folder\n  to: {tmp_path / 'there'}\n  keep: 0\n")
    published.promote(0)
    said = graft("deploy", NAME, "--profile", profile, "--dry-run")
    assert str(tmp_path / "there") in said
    said = graft("deploy", NAME, "--profile", profile, "--to", tmp_path / "elsewhere", "--dry-run")
    assert str(tmp_path / "elsewhere") in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["deploy", NAME], "deploy: to is missing: the target folder needs it"),
        (["deploy", NAME, "--to", "x", "--machine-type", "n1"], "machine_type is for the target vertex"),
        (["deploy", NAME, "--to", "x", "--canary", "10"], "can't split traffic"),
        (["deploy", "../pets", "--to", "x"], "can't be a name"),
        (["registry", "rollback", NAME, "--reason", "x", "--to", "x"], "add --deploy"),
    ],
)
def test_what_is_refused(published, graft, words, said):
    published.promote(0)
    with pytest.raises((GraftError, ValueError), match=said):
        graft(*words)
    assert not published.registry.latest().withdrawn


def test_no_store_is_named(tmp_path):
    with pytest.raises(GraftError, match="Name it by --store, or in the profile"):
        app(["deploy", NAME, "--to", str(tmp_path)], result_action="return_value")


def test_only_what_the_key_signed_gets_into_traffic(published, graft, tmp_path):
    published.promote(0)
    _, public = make_pair(tmp_path, "stranger")
    profile = tmp_path / "profile.yaml"
    profile.write_text(yaml.safe_dump({"deploy": {"to": str(tmp_path / "served")}, "verify_key": public.read_text()}))
    for keys in (("--verify-key", public, "--to", tmp_path / "served"), ("--profile", profile)):
        for command in (
            ["deploy", NAME],
            ["deploy", "status", NAME],
            ["deploy", "promote", NAME],
            ["deploy", "rollback", NAME],
        ):
            with pytest.raises(GraftError, match=r"latest\.json is not signed, and GRAFT_VERIFY_KEY asks"):
                graft(*command, *keys)
        with pytest.raises(GraftError, match=r"latest\.json is not signed"):
            graft("registry", "rollback", NAME, "--reason", "bad", "--deploy", *keys)
    assert not (tmp_path / "served").exists()
