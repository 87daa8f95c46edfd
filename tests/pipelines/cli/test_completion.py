"""`graft --install-completion`: the shell completes commands and options."""

import subprocess

import pytest

from graft.pipelines.cli.app import COMMANDS, app

# What bash does when Tab is pressed.
ASK = """
. "$HOME/.bashrc"
for line in "graft pre" "graft registry ro" "graft predict --for" "graft predict --format "; do
    COMP_WORDS=($line)
    [[ $line == *" " ]] && COMP_WORDS+=("")
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    _graft
    echo "${COMPREPLY[@]}"
done
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in ("ZSH", "ZSH_CUSTOM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def install(shell):
    app(["--install-completion", "--shell", shell], result_action="return_value")


def test_bash_completes_commands_options_and_values(home):
    (home / ".bashrc").write_text("export KEPT=yes")
    install("bash")
    install("bash")
    assert (home / ".bashrc").read_text().startswith("export KEPT=yes\n")
    assert (home / ".bashrc").read_text().count("# Load graft completion") == 1
    done = subprocess.run(["bash", "--norc", "-c", ASK], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["predict", "rollback", "--format", "table json csv"]


@pytest.mark.parametrize(
    ("shell", "path"),
    [("zsh", ".zsh/completions/_cyclopts_graft"), ("fish", ".config/fish/completions/graft.fish")],
)
def test_other_shells_get_a_script_that_names_every_command(home, shell, path):
    install(shell)
    script = (home / path).read_text()
    names = [command.partition(":")[2].strip("_") for commands in COMMANDS.values() for command in commands]
    assert all(name in script for name in names)
