"""`graft registry mirror` does by hand what a run does, and fails where a run goes on."""

import pytest

from graft.components.common.errors import GraftError
from graft.pipelines.cli.app import app


@pytest.fixture
def command(faked, capsys):
    """Runs the command with options, and returns what it prints."""

    def run(**options):
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        app(["registry", "mirror", "pets", *words], result_action="return_value")
        return capsys.readouterr().out

    faked.store = faked.registry.folder.removesuffix("/models/pets")
    return run


def test_a_mirror_is_caught_up_by_hand(faked, command):
    version = faked.publish(1)
    told = command(store=faked.store, to=faked.config.to)
    assert told == f"{faked.config.to} has 1 versions, 1 of them new or changed, champion {version[:12]}\n"
    assert (faked.held, faked.champion) == ([version], version)
    faked.publish(2)
    faked.registry.rollback("blurred")
    assert command(store=faked.store, to=faked.config.to).endswith(f"champion {version[:12]}\n")
    assert faked.states == ["latest", "withdrawn"]


def test_the_profile_says_where(faked, command, tmp_path):
    version = faked.publish(1)
    profile = tmp_path / "profile.yaml"
    profile.write_text(f"store: {faked.store}\nmirror:\n  to: {faked.config.to}\n")
    command(profile=str(profile))
    assert (faked.held, faked.champion) == ([version], version)
    with pytest.raises(GraftError, match="nowhere.invalid can't be reached"):
        command(profile=str(profile), to="http://nowhere.invalid")


def test_a_mirror_that_is_down_is_an_error(faked, fake, command):
    faked.publish(1)
    fake.kill()
    with pytest.raises(GraftError, match=f"MLflow at {fake.url} can't be reached"):
        command(store=faked.store, to=fake.url)


def test_what_the_command_needs_is_named(faked, command):
    with pytest.raises(GraftError, match="Which store has the registry"):
        command(to=faked.config.to)
    with pytest.raises(GraftError, match="to is missing: name the address of an MLflow tracking server"):
        command(store=faked.store)
