"""The `graft` command."""

import dataclasses
import json
import logging
import signal
import sys
import time
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, CycloptsError, Parameter
from rich.console import Console

from graft.components.common.errors import GateFailedError, GraftError
from graft.pipelines.cli import (
    cluster_commands,
    history_commands,
    predict_commands,
    registry_commands,
    schedule_commands,
    step_commands,
    store_commands,
)
from graft.pipelines.cli.exits import EXIT_CODES, EXIT_ERROR, EXIT_GATE, EXIT_INTERRUPTED, EXIT_USAGE
from graft.pipelines.cli.options import flatten, usage_error
from graft.pipelines.cli.settings import RunSettings
from graft.pipelines.local.docker_runner import DockerOptions

app = App(
    name="graft",
    help="Grafts a new classification head onto a frozen, pretrained InceptionV3: from images to a published model.",
    version_flags=["--version"],
    suppress_keyboard_interrupt=False,
)
log = logging.getLogger("graft")

flatten(DockerOptions)
step_commands.register(app)
cluster_commands.register(app)
schedule_commands.register(app)
store_commands.register(app)
registry_commands.register(app)
predict_commands.register(app)
history_commands.register(app)


@app.command
def sample(*, output: Path, images: int = 900, seed: int = 0) -> None:
    """Draws pictures of cats and dogs to try Graft with.

    Args:
        output: Folder for the pictures; it must be empty or not exist.
        images: How many to draw, a multiple of 6 and at least 60.
        seed: Seed of the drawing.
    """
    from graft.pipelines.local.sample import draw_sample

    draw_sample(output, images, seed)
    print(output)


@app.command
def run(
    *,
    settings: RunSettings = RunSettings(),  # noqa: B008
    runs: Path = Path("runs"),
    runner: Literal["subprocess", "docker"] = "subprocess",
    containers: DockerOptions = DockerOptions(),  # noqa: B008
    json_output: Annotated[bool, Parameter(name="--json")] = False,
) -> None:
    """Runs the whole pipeline on this machine, a process or container a step; exit code 3 if the gate does not pass.

    Args:
        settings: The pipeline's parameters.
        runs: Folder of all runs.
        runner: What runs a step: a process, or a container of the local Docker Engine.
        containers: Options of the containers, for the docker runner.
        json_output: Print run.json on stdout, and nothing else.
    """
    started = time.monotonic()
    from graft.pipelines.local.defaults import choose_inputs
    from graft.pipelines.local.running import new_run, run_locally
    from graft.pipelines.local.summary import print_summary

    settings.check()
    this_run, folder = new_run(runs, settings.store, settings.name)
    inputs = choose_inputs(settings.source, settings.weights, settings.recipe, folder / "sample")
    parameters = {**dataclasses.asdict(settings), **dataclasses.asdict(inputs)}
    result = run_locally(this_run, folder, parameters, started, containers if runner == "docker" else None)
    if json_output:
        print(json.dumps(result.content(), indent=2, ensure_ascii=False))
    else:
        print_summary(result)
    if result.failure:
        log.error("%s", result.failure)
        sys.exit(EXIT_CODES[result.outcome])


def _terminate(signum: int, frame: Any) -> None:
    """Ends the command on SIGTERM as on Ctrl-C, so that half-written artifacts are cleared away; pid 1 would ignore it."""
    raise KeyboardInterrupt


def main() -> None:
    """Runs the command line: errors are one sentence, unless `--debug` asks for the traceback."""
    words = sys.argv[1:]
    debug = "--debug" in words
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        app([word for word in words if word != "--debug"], exit_on_error=False, print_error=False)
    except CycloptsError as error:
        _fail(f"{usage_error(error)} See --help.", EXIT_USAGE, debug)
    except GateFailedError as error:
        _fail(str(error), EXIT_GATE, debug)
    except GraftError as error:
        _fail(str(error), EXIT_ERROR, debug)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("graft"):
            raise
        _fail(f"This needs {error.name}: install graft[pipelines]; the images run single steps.", EXIT_ERROR, debug)
    except OSError as error:
        _fail(f"{error.strerror or type(error).__name__}: {error.filename or error}.", EXIT_ERROR, debug)
    except KeyboardInterrupt:
        _fail("Interrupted; what was unfinished is cleared away.", EXIT_INTERRUPTED, debug)


def _fail(message: str, code: int, debug: bool) -> None:
    if debug:
        Console(stderr=True).print_exception()
    print(f"graft: {message}", file=sys.stderr)
    sys.stdout.flush()
    sys.exit(code)
