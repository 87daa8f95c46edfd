"""`graft registry`: what a person sees and does."""

import re

import pytest
from exports import make_export
from signing_keys import make_pair, turn_on

from graft.components.common.errors import GraftError
from graft.pipelines.cli.app import app


@pytest.fixture
def registry(tmp_path, capsys):
    """Runs a command on a store that is there, and returns what it prints."""
    (tmp_path / "store").mkdir()

    def run(command, *arguments):
        words = ["registry", command, "pets", *map(str, arguments), "--store", str(tmp_path / "store")]
        app(words, result_action="return_value")
        return capsys.readouterr().out

    return run


@pytest.fixture
def published(registry, tmp_path):
    """Three published versions, of which two were promoted."""
    versions = [make_export(tmp_path / f"export-{seed}", seed, 0.9 + seed / 100) for seed in (1, 2, 3)]
    for seed, version in enumerate(versions, 1):
        assert version in registry("publish", tmp_path / f"export-{seed}")
    for version in versions[:2]:
        assert registry("promote", version[:8]) == f"pets: the latest version is {version}\n"
    return versions


def states(listing):
    return {line.split()[0]: line.split()[5:] for line in listing.splitlines()[1:]}


def test_a_registry_without_versions(registry):
    assert "has no versions yet" in registry("list")
    with pytest.raises(GraftError, match="has no latest version"):
        registry("show")


def test_where_a_name_has_no_versions_those_that_have_are_named(registry, tmp_path):
    store = tmp_path / "store"
    assert registry("list").endswith(f"models/pets has no versions yet. Models in {store}: none.\n")
    for name in ("sample", "cats", "pets\x1b[2J"):
        (store / "models" / name / "runs" / "1").mkdir(parents=True)
        (store / "models" / name / "runs" / "1" / "resolve.json").write_text("{}")
    held = f"Models in {store}: cats, sample."
    assert registry("list").endswith(f" has no versions yet. {held}\n")
    for command in (["show"], ["verify"], ["rollback", "--reason", "bad"]):
        with pytest.raises(GraftError, match=re.escape(held)):
            registry(*command)


@pytest.mark.parametrize(
    "command",
    [
        ["history"],
        ["history", "--json"],
        ["labels"],
        *(["registry", verb] for verb in ("list", "show", "verify", "prune", "release")),
        *(["registry", verb, "--reason", "bad"] for verb in ("hold", "rollback")),
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_a_store_that_is_not_there_is_no_empty_one(command, tmp_path, capsys):
    misspelt = tmp_path / "stor"
    with pytest.raises(GraftError, match="stor doesn't exist: check the path or URI"):
        app([*command, "pets", "--store", str(misspelt)], result_action="return_value")
    assert capsys.readouterr().out == "" and not misspelt.exists()


def test_what_became_of_the_versions(registry, published):
    one, two, three = (version[:12] for version in published)
    assert states(registry("list")) == {one: ["promoted", "earlier"], two: ["latest"], three: ["not", "promoted"]}
    assert "92.00%" in registry("show") and "by a person" in registry("show", one)
    assert registry("rollback", "--reason", "bad") == f"pets: the latest version is {published[0]}\n"
    assert states(registry("list")) == {one: ["latest"], two: ["withdrawn"], three: ["not", "promoted"]}
    assert "bad" in registry("show", two)


def test_a_damaged_version_hides_no_other(registry, published, tmp_path):
    (tmp_path / "store/models/pets/versions" / published[0] / "lineage/evaluation.json").write_text("{}")
    one, two, three = (version[:12] for version in published)
    listing = registry("list")
    assert states(listing) == {one: ["promoted", "earlier"], two: ["latest"], three: ["not", "promoted"]}
    assert "unknown" in listing


def test_the_same_model_in_another_version_is_withdrawn_with_it(registry, published, tmp_path):
    again = make_export(tmp_path / "again", 2, 0.5)
    registry("publish", tmp_path / "again")
    registry("rollback", "--reason", "bad")
    assert states(registry("list"))[again[:12]] == ["withdrawn"]
    assert "another version with the same model" in registry("show", again)


def test_verifying_nothing_is_an_error(registry):
    with pytest.raises(GraftError, match="has no versions: check the name and the store"):
        registry("verify")


def test_a_hold_is_seen(registry, published):
    assert "on hold (audit)" in registry("hold", "--reason", "audit")
    assert "on hold since" in registry("list")
    with pytest.raises(GraftError, match=r"on hold \(audit\): release it first"):
        registry("promote", published[2])
    assert "hold" not in registry("release")


def test_pruning_says_first_what_would_go(registry, published):
    registry("promote", published[2])
    dry = registry("prune", "--keep", "1", "--dry-run")
    assert dry == f"{published[0]}\n1 versions would be deleted.\n"
    assert registry("prune", "--keep", "1") == f"{published[0]}\n1 versions deleted.\n"
    assert len(states(registry("list"))) == 2


def test_verify_ends_with_an_error_if_a_file_was_changed(registry, published, tmp_path, capsys):
    assert registry("verify") == "3 versions of pets: every file is as published.\n"
    file = tmp_path / "store/models/pets/versions" / published[0] / "model.keras"
    file.write_bytes(b"another")
    with pytest.raises(SystemExit) as ended:
        registry("verify")
    assert ended.value.code == 1 and f"{file} was changed" in capsys.readouterr().out


@pytest.mark.parametrize("beginning", ["zz", ""])
def test_a_version_that_is_none_is_refused(registry, published, beginning):
    with pytest.raises(GraftError, match="name begins with"):
        registry("promote", beginning)


def test_signing_what_was_published_before(registry, published, tmp_path, monkeypatch):
    private, public = turn_on(tmp_path, monkeypatch)
    with pytest.raises(GraftError, match="latest.json is not signed, .* sign it with graft registry sign pets"):
        registry("list")
    told = registry("sign").splitlines()
    assert {line.rpartition("/")[2] for line in told[:2]} == {*published[:2]}
    assert told[2:] == ["2 versions signed.", f"pets: the latest version is {published[1]}"]
    with pytest.raises(SystemExit):
        registry("verify")
    assert "3 versions signed" not in registry("sign", published[2][:8])
    monkeypatch.delenv("GRAFT_SIGNING_KEY")
    monkeypatch.delenv("GRAFT_VERIFY_KEY")
    assert registry("verify") == "3 versions of pets: every file is as published.\n"
    assert registry("verify", "--verify-key", public) == "3 versions of pets: every file is as published, and signed.\n"
    with pytest.raises(GraftError, match="holds a private key, which belongs to GRAFT_SIGNING_KEY alone"):
        registry("verify", "--verify-key", private)
    with pytest.raises(GraftError, match="none is no PEM file that can be read"):
        registry("verify", "--verify-key", tmp_path / "none")
    with pytest.raises(GraftError, match="name the private key in GRAFT_SIGNING_KEY to change it"):
        registry("hold", "--reason", "audit")


@pytest.mark.slow  # predict imports TensorFlow
@pytest.mark.parametrize("command", [["serve"], ["predict", "picture.jpg"]])
def test_only_what_the_key_signed_is_loaded(published, tmp_path, command, monkeypatch):
    (tmp_path / "picture.jpg").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")
    _, public = make_pair(tmp_path, "stranger")
    words = [command[0], str(tmp_path / "export-1"), *command[1:], "--verify-key", str(public)]
    (tmp_path / "export-1/lineage/training.json").write_text("{}")
    with pytest.raises(GraftError, match="export-1 is not signed by a key of GRAFT_VERIFY_KEY"):
        app(words, result_action="return_value")
