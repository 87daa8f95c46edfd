"""The `graft` command: which commands there are, each loaded when it is called, and what becomes of errors."""

import logging
import re
import sys
import traceback
from typing import get_args

from cyclopts import App, ArgumentCollection, CoercionError, Group, Parameter

from graft.components.common.ending import INTERRUPTED, done, in_time, told
from graft.components.common.escaping import escape_record, escaped
from graft.pipelines.cli.output import prepare_output

COMMANDS = {
    "Pipeline": {
        "run_commands:run": "Runs the whole pipeline on this machine, each step in a process or a container.",
        "history_command:history": "Lists the runs of a model: images, accuracy, difference from the champion, outcome.",
        "run_commands:sample": "Draws pictures of cats and dogs to try Graft with.",
    },
    "Single steps": {
        "steps.resolve_command:resolve": "Checks that a run can begin, and prints the digest of what it would work on.",
        "steps.ingest_command:ingest": "Decodes and checks every image of a source and writes a Dataset.",
        "steps.train_commands:train": "Trains a new head on the frozen backbone and writes a Model.",
        "steps.evaluate_command:evaluate": "Evaluates a Model on images it was not trained on and writes an Evaluation.",
        "steps.gate_command:gate": "Decides whether an evaluated Model may be published.",
        "steps.export_command:export": "Exports a Model that passed the gate, and checks the result on real images.",
        "steps.train_commands:layers": "Lists the layers that a backbone can be cut at.",
        "steps.tune_command:tune": "Searches better settings of the head on the training images, and writes them as a recipe.",
    },
    "Clusters": {
        "clusters.compile_command:compile_": "Compiles the pipeline, or one component, for Kubeflow or Vertex.",
        "clusters.cluster_commands:submit": "Starts a run on a cluster, and prints its identifier and the address of its page.",
        "clusters.cluster_commands:status": "Shows the state of the steps of a run on a cluster; once it is over, ends with its exit code.",
        "clusters.logs_command:logs": "Prints what the steps of a run printed, as far as it is kept; exit code 1 if nothing is.",
        "clusters.cluster_commands:cancel": "Cancels a run on a cluster.",
        "clusters.schedule_commands:schedules": "Runs the pipeline on a schedule, on a cluster.",
    },
    "Models and stores": {
        "models.predict_command:predict": "Predicts the classes of images; exit code 1 if one of them can't be used.",
        "models.serve_command:serve": "Serves a model over HTTP to this machine, with a page to drop photographs on, until Ctrl-C.",
        "models.labels_command:labels": "Shows the labels that are probably wrong on a page, and writes down what you say of them.",
        "models.registry_commands:registry": "Lists, publishes, promotes and withdraws the versions of a model.",
        "models.deploy_commands:deploy": "Brings what the registry calls the latest version of a model into traffic.",
        "models.gc_command:gc": "Deletes from a store what no version, dataset or recent run needs: images, features, predictions.",
    },
    "Troubleshooting": {
        "doctor_command:doctor": "Says what this machine, and with --target a cluster, can do; exit code 1 if something needed is missing.",
    },
}
"""The commands by group, each as `module:function` and its help, so that `graft --help` loads none of them."""


def _shown(default: object) -> str | None:
    """Returns a default as help shows it; None, which shows nothing, where the option's text says what happens instead."""
    return None if default in ("", (), None) or default is False else str(default)


def _refuse_fractions(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Refuses a number such as 2.5 where a whole one is asked for: Cyclopts would round it."""
    for argument in arguments:
        if int in (argument.hint, *get_args(argument.hint)):
            for token in argument.tokens:
                if re.fullmatch(r"[+-]?\d*\.\d*[1-9]\d*", token.value):
                    raise CoercionError(argument=argument, token=token, target_type=int)


app = App(
    name="graft",
    help="Grafts a new classification head onto a frozen, pretrained InceptionV3: from images to a published model.",
    version_flags=["--version"],
    default_parameter=Parameter(show_default=_shown),
    config=_refuse_fractions,
    help_epilogue="Exit codes: 0 done, 1 error, 2 wrong usage, 3 the gate did not pass, 4 cancelled, 130 interrupted.",
    suppress_keyboard_interrupt=False,
)
for _title, _commands in COMMANDS.items():
    _group = Group.create_ordered(_title)
    for _number, (_path, _help) in enumerate(_commands.items()):
        app.command(f"graft.pipelines.cli.{_path}", help=_help, group=_group, sort_key=_number)
_options = Group("Options", sort_key=len(COMMANDS))
app.register_install_completion_command(
    group=_options, help="Installs the completion of commands and options in your shell: bash, zsh or fish."
)
app["--help"].group = app["--version"].group = _options


def main() -> None:
    """Runs the command line: errors are one sentence, unless `--debug` asks for the traceback."""
    prepare_output()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("graft").addFilter(escape_record)
    terminal = sys.stderr  # `graft run` has what its steps print go elsewhere

    def say() -> None:
        print("graft: Interrupted; unfinished output was removed.", file=terminal)

    try:
        with in_time(say=say):
            _run(sys.argv[1:])
    except KeyboardInterrupt:  # which no signal brought, or one that came when the work was on record as done
        if not done.is_set():
            say()
        sys.exit(INTERRUPTED)


def _run(words: list[str]) -> None:
    try:
        app([word for word in words if word != "--debug"], exit_on_error=False, print_error=False)
    except (Exception, KeyboardInterrupt) as error:
        # `graft --help` can do without what these know.
        from graft.components.common.messages import shown
        from graft.components.common.storage import without_secrets
        from graft.pipelines.cli.exits import EXIT_ERROR, explain

        is_interrupt = _is_interrupt(error)
        explained = explain(error) if isinstance(error, Exception) and not is_interrupt else None
        if "--debug" in words or not (explained or is_interrupt):
            lines = without_secrets("".join(traceback.format_exception(error))).split("\n")
            print(*map(escaped, lines), sep="\n", end="", file=sys.stderr)
        if is_interrupt:
            raise KeyboardInterrupt from error
        message, code = explained or ("This is a defect of Graft's own: please report it.", EXIT_ERROR)
        print(shown(error, f"graft: {message}"), file=sys.stderr)
        sys.stdout.flush()
        sys.exit(code)


def _is_interrupt(error: BaseException) -> bool:
    """Tells whether an error comes of being told to end: Python's enums, say, make a RuntimeError of an interrupt in their import."""
    if told.is_set() or isinstance(error, KeyboardInterrupt):
        return True
    return error.__cause__ is not None and _is_interrupt(error.__cause__)
