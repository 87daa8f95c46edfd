"""What a run has published before: a cluster may run a step again whose work was done, as where its pod was lost late."""

import logging
import shutil
from collections.abc import Collection
from pathlib import Path

from graft.components.common import storage
from graft.components.common.artifacts.checksums import SUMS, fetch_checked, read_sums
from graft.components.common.artifacts.model import Model
from graft.components.common.artifacts.outcomes.results import ExportResult
from graft.components.common.artifacts.outcomes.run_record import outcome_of
from graft.components.common.artifacts.signing.signed_sums import sign_sums
from graft.components.common.registry.registry import Registry
from graft.components.common.runs.run import Run
from graft.components.common.runs.step_record import read_run

log = logging.getLogger("graft")


def exported_before(run: Run, model_digest: str, formats: Collection[str], output: Path) -> ExportResult | None:
    """Brings back the Export that the same run has published, so that it is not published a second time.

    Args:
        run: The run; without a store it has published nothing.
        model_digest: Digest of the model that is to be exported.
        formats: Paths of the formats that are to be exported.
        output: Directory for the Export.

    Returns:
        What export returned then; None if the run has published nothing, another model or other formats, or it was removed since.

    Raises:
        GraftError: The store can't be read, or the version was changed.
    """
    earlier = outcome_of(read_run(run, ("export",)).export) if run.store else None
    if earlier is None or not earlier.published.uri or set(earlier.formats) != set(formats):
        return None
    uri = Registry(run.store, run.name).versions.uri(earlier.version)
    if not storage.exists(f"{uri}/{SUMS}"):
        return None
    sums = read_sums(uri)
    if sums.get(Model.KERAS) != model_digest:
        return None
    log.info("this run has published version %s before, which is taken as it is", earlier.version[:12])
    with storage.scratch_folder("export") as scratch:
        for path in sums:
            (output / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(fetch_checked(uri, path, sums, scratch, keep=False), output / path)
        sums_file = storage.fetch(f"{uri}/{SUMS}", scratch, earlier.version)
        sign_sums(str(output), sums_file.read_bytes())
        shutil.copyfile(sums_file, output / SUMS)
    return earlier.model_copy(update={"path": str(output)})
