"""The export step: a version of the model that explains itself and is checked before it counts."""

import shutil
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft.components.common import storage
from graft.components.common.artifacts.artifact import new_artifact
from graft.components.common.artifacts.checksums import SUMS, write_sums
from graft.components.common.artifacts.dataset import INDEX, TRAIN, WHOLE_LISTS, Dataset
from graft.components.common.artifacts.decision import Decision
from graft.components.common.artifacts.evaluation import Evaluation
from graft.components.common.artifacts.export import Export, ExportedFormat, ParityFigures, Served
from graft.components.common.artifacts.model import Model
from graft.components.common.artifacts.outcomes.results import ExportResult
from graft.components.common.artifacts.shards.encoded import read_encoded
from graft.components.common.artifacts.shards.in_use import in_use
from graft.components.common.artifacts.signing.keys import check_signer
from graft.components.common.compute.keras_models import load_model
from graft.components.common.errors import GraftError
from graft.components.common.pages.rendering import visible
from graft.components.common.progress import doing
from graft.components.common.runs.run import Run
from graft.components.export.acceptance.server_process import command_of
from graft.components.export.config import ExportConfig
from graft.components.export.exported_before import exported_before
from graft.components.export.formats import FURTHER, KERAS, Format, check_machine, saved_model_format
from graft.components.export.model_card import model_card
from graft.components.export.publishing import publish
from graft.components.export.serving_files import write_serving_files

if TYPE_CHECKING:
    from graft.components.export.acceptance.parity import EvaluatedImages

LABELS = "labels.txt"
CARD = "MODEL_CARD.md"
_SERVER_LOG = "export.server.log"
_CALIBRATION = 128
_BATCH = 2**12  # predictions that are read at once


def export(
    model: Path,
    dataset: Path,
    evaluation: Path,
    decision: Path,
    output: Path,
    config: ExportConfig = ExportConfig(),  # noqa: B008 (frozen)
    run: Run = Run(),  # noqa: B008
    validate_with: str = "",
) -> ExportResult:
    """Exports a model that passed the gate, checks the result on real images, also as a server gives it, and publishes it.

    >>> result = export(model, dataset, evaluation, decision, folder / "export", ExportConfig(parity_images=20))
    >>> result.formats
    ('serving/model/1', 'model.keras')
    >>> result.max_difference < 0.001
    True

    Args:
        model: A Model's directory.
        dataset: The Dataset that it was evaluated on.
        evaluation: Its Evaluation.
        decision: The gate's Decision about it.
        output: Directory for the Export; it must be empty or not exist.
        config: What to export, and what to do with it.
        run: The run, whose name is the model's. If it has a store, the Export is published there as a version of the model. What the
            run has published before, of the same model and in the same formats, is taken as it is.
        validate_with: The server to try the model with besides Graft's own, as `command_of` takes it; empty for none.

    Raises:
        GraftError: The name can't be a model's, `validate_with` names no server, versions have to be signed and there is no key for that,
            the inputs don't belong together, the gate didn't pass, a format differs from the evaluated model, or the model can't be
            served: then nothing is left in `output`. Or the Export can't be published.
    """
    saved_model = saved_model_format(run.name)
    check_machine(config.formats)
    if run.store:
        check_signer()
    command_of(validate_with, (output / saved_model.path).parent, port=0)
    trained, data = Model.load(model), Dataset.load(dataset)
    evaluated, decided = Evaluation.load(evaluation), Decision.load(decision)
    _check_inputs(trained, data, evaluated, decided)
    wanted = [saved_model.path, KERAS.path, *(FURTHER[name].path for name in config.formats)]
    with new_artifact(output, SUMS), in_use(data):
        if before := exported_before(run, evaluated.model_digest, wanted, output):
            return before
        samples = _samples(data, evaluated, config.parity_images, trained.abstain_below)
        formats, served = _write_formats(model, data, samples, output, config, run, validate_with)
        record = Export(classes=data.classes, formats=formats, served=served)
        doing("writing the lineage and the model card")
        _copy_lineage(trained, data, evaluated, decided, output / Export.LINEAGE)
        (output / LABELS).write_text("".join(f"{visible(name)}\n" for name in data.classes), encoding="utf-8")
        (output / CARD).write_text(model_card(output / Export.LINEAGE, run.name, record), encoding="utf-8")
        record.write(output)
        version = write_sums(output)
    differences = [record.formats[form.path].parity.max_difference for form in (saved_model, KERAS)]
    return ExportResult(
        path=str(output),
        version=version,
        formats=tuple(record.formats),
        max_difference=max(difference for difference in differences if difference is not None),
        published=publish(output, evaluated, run, promote=config.promote == "auto"),
    )


def _write_formats(
    model: Path,
    data: Dataset,
    samples: "EvaluatedImages",
    output: Path,
    config: ExportConfig,
    run: Run,
    validate_with: str,
) -> tuple[dict[str, ExportedFormat], tuple[Served, ...]]:
    """Writes all formats, compares each with the evaluation, and tries the SavedModel in Graft's own server and the one that is named.

    Returns:
        What the record says of the formats, by path, and of the servers.
    """
    import numpy as np

    from graft.components.export.acceptance.made_images import make_images, probabilities_of
    from graft.components.export.acceptance.parity import EvaluatedImages, serving
    from graft.components.export.acceptance.validation import ask, ask_example, tried_server
    from graft.components.export.saved_model import write_saved_model

    saved_model = saved_model_format(run.name)
    base = (output / saved_model.path).parent
    log_uri = f"{run.folder}/{_SERVER_LOG}" if run.store else ""
    shutil.copyfile(model / Model.KERAS, output / KERAS.path)
    # The threads end once the processes have, whatever ends those.
    with (
        ThreadPoolExecutor(1) as comparing,
        ThreadPoolExecutor(1) as asking,
        serving(output, KERAS, saved_model) as compare,
    ):
        keras = comparing.submit(_checked, compare, samples, output, KERAS)
        # Nothing else of this process uses TensorFlow meanwhile: what it counts shows in the names in the SavedModel.
        keras_model = load_model(model)
        doing("writing the SavedModel")
        write_saved_model(keras_model, data.classes, output / saved_model.path, samples.abstain_below)
        write_serving_files(output, run.name, samples.encoded[0])
        doing("checking the formats, trying a server")
        with tried_server(base, "", log_uri) as server:
            made = make_images(samples.encoded)
            expected = np.concatenate([samples.probabilities, probabilities_of(keras_model, made)])
            all_samples = EvaluatedImages(samples.encoded, expected, made, samples.abstain_below)
            written = comparing.submit(_checked, compare, all_samples, output, saved_model)
            tried = asking.submit(ask, server, data.classes, all_samples, saved_model.limits)
            _all_pass(keras, written, tried)
            answer = ask_example(server, (output / Export.REQUEST).read_bytes(), len(data.classes))
            (output / Export.RESPONSE).write_bytes(answer)
    formats, served = {saved_model.path: written.result(), KERAS.path: keras.result()}, [tried.result()]
    if config.formats:
        from graft.components.export.further import export_further

        calibration = list(read_encoded(data, TRAIN, _spread(data.count(TRAIN), _CALIBRATION)))
        formats |= export_further(keras_model, config.formats, output, all_samples, calibration)
    if validate_with:
        with tried_server(base, validate_with, log_uri) as server:
            served.append(ask(server, data.classes, all_samples, saved_model.limits))
    return formats, tuple(served)


def _all_pass(*checks: Future[Any]) -> None:
    """Waits until all checks have passed, or one has failed, and raises what that one did."""
    wait(checks, return_when=FIRST_EXCEPTION)
    for check in checks:
        if check.done():
            check.result()


def _checked(
    compare: "Callable[[EvaluatedImages], ParityFigures]", samples: "EvaluatedImages", output: Path, form: Format
) -> ExportedFormat:
    """Returns what the record says of a format that came close enough to the evaluation."""
    from graft.components.export.acceptance.parity import check_parity, describe

    parity = compare(samples)
    check_parity(parity, form)
    return describe(output, form, parity)


def _samples(data: Dataset, evaluation: Evaluation, count: int, abstain_below: float | None) -> "EvaluatedImages":
    """Returns evaluated images from all over the split and the probabilities that the evaluation got for them."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from graft.components.export.acceptance.parity import EvaluatedImages

    try:
        names = [f"probability_{name}" for name in data.classes]
        found, start = [], 0
        with pq.ParquetFile(evaluation.predictions) as file:
            rows = _spread(file.metadata.num_rows, count)
            for batch in file.iter_batches(_BATCH, columns=names):
                inside = [row - start for row in rows if start <= row < start + len(batch)]
                found.append(batch.select(names).take(pa.array(inside, pa.int64())))
                start += len(batch)
    except (pa.ArrowException, OSError, KeyError) as error:
        raise GraftError(
            f"{evaluation.predictions} is damaged ({storage.brief(error)}): evaluate the model again."
        ) from error
    expected = np.stack([column.to_numpy() for column in pa.Table.from_batches(found).columns], axis=1)
    return EvaluatedImages(list(read_encoded(data, evaluation.split, rows)), expected, abstain_below=abstain_below)


def _spread(total: int, count: int) -> list[int]:
    """Returns `count` numbers from 0 up to `total`, evenly spread, or all of them if they are fewer."""
    return sorted({round(number * (total - 1) / max(count - 1, 1)) for number in range(count)})


def _check_inputs(model: Model, data: Dataset, evaluation: Evaluation, decision: Decision) -> None:
    if not decision.passed:
        raise GraftError(
            f"{decision.path} says that the model did not pass the gate: only a model that passed is exported."
        )
    for name, judged in (("evaluation", evaluation), ("decision", decision)):
        if judged.model_digest != model.model_digest:
            raise GraftError(
                f"The {name} is about another model than {model.path}: evaluate and judge this model first."
            )
        if judged.dataset_digest != data.digest:
            raise GraftError(f"The {name} is about another dataset than {data.path}: name the one that was evaluated.")


def _copy_lineage(model: Model, data: Dataset, evaluation: Evaluation, decision: Decision, folder: Path) -> None:
    """Copies every record, so that the version explains itself when the run's artifacts are long gone."""
    folder.mkdir()
    files = [artifact.path / artifact.FILE for artifact in (data, model, decision, evaluation)]
    files += [data.path / name for name in (INDEX, *([WHOLE_LISTS] if data.totals else []))]
    files += [file for file in [evaluation.path / Evaluation.LABELS] if file.is_file()]  # an older Graft's has none
    for file in [*files, evaluation.predictions, evaluation.path / Evaluation.REPORT]:
        shutil.copyfile(file, folder / file.name)
