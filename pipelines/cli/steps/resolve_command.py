"""The command of the resolve step."""

from graft.components.resolve.resolve import resolve as resolve_step
from graft.pipelines.cli.options import PipelineParameters
from graft.pipelines.cli.steps.recording import RecordOptions, run_step


def resolve(*, parameters: PipelineParameters, run_id: str = "") -> None:
    """Checks that a run can begin, and prints the digest of what it would work on.

    The digest is that of source, weights, settings and code: `graft run` with the same options works on the same. With a
    store it prints `unchanged` instead if the last run of that name which reached a decision worked on the same, unless --force
    is given.

    Args:
        parameters: The pipeline's parameters.
        run_id: Identifier of the run in the store; by default one made of the time.
    """
    record = RecordOptions(parameters.store, parameters.name, run_id)
    print(run_step("resolve", record, lambda run: resolve_step(parameters, run)).digest)
