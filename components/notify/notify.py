"""The notify step: says how the run ended, in its log and to a webhook, from the records that its steps left in the store."""

import dataclasses
import logging

from graft.components.common.artifacts.outcomes.results import NotifyResult, Outcome
from graft.components.common.errors import GraftError
from graft.components.common.runs.history import unchanged_in_a_row
from graft.components.common.runs.parts_progress import lost_parts
from graft.components.common.runs.run import Run
from graft.components.common.runs.step_record import mark_cancelled, read_run, was_cancelled
from graft.components.common.runs.verdict import QUIET_RUNS, Known, Verdict, judge
from graft.components.notify.kubeflow import asked_if_cancelled
from graft.components.notify.webhook import secret_url, send

log = logging.getLogger("graft")

# As Vertex and kfp.local call them, and Kubeflow, whose exit tasks are told the state of ML Metadata.
_STATES = {
    "SUCCEEDED": Outcome.SUCCEEDED,
    "COMPLETE": Outcome.SUCCEEDED,
    "CANCELLED": Outcome.CANCELLED,
    "CANCELED": Outcome.CANCELLED,
}


@dataclasses.dataclass(frozen=True)
class Webhook:
    """Where a run's end is sent.

    Attributes:
        url: The webhook's URL, a secret; empty for none.
        secret: Secret Manager version that holds the URL instead; empty for none.
        format: `json` for all fields, `text` for `text` alone, as chats take it.
        quiet: Notify on every Nth unchanged run in a row, this being the N: a source that has dried up is news.
    """

    url: str = dataclasses.field(default="", repr=False)
    secret: str = ""
    format: str = "json"
    quiet: int = QUIET_RUNS


def notify(run: Run, pipeline_state: str, link: str = "", webhook: Webhook = Webhook()) -> NotifyResult:
    """Says how a run ended. That the webhook fails is logged, and changes nothing.

    Of unchanged runs, every Nth in a row is told of.

    Args:
        run: The run; without a store only the pipeline's own state is known.
        pipeline_state: The state that the pipeline's backend gives.
        link: Address of a run's page, with `{run}` in place of its identifier.
        webhook: Where the message is sent.
    """
    verdict = _verdict(run, pipeline_state)
    page = link.replace("{run}", run.run_id)
    result = NotifyResult(
        run=run.run_id,
        name=run.name,
        outcome=verdict.outcome,
        reason=" ".join(verdict.reason.split("\n  ")),  # a message is one line
        accuracy=verdict.accuracy,
        link=page,
        drift=verdict.drift,
    )
    if verdict.outcome is Outcome.UNCHANGED:
        try:
            count = unchanged_in_a_row(run)
            since = f"nothing new for {count} runs" if count % webhook.quiet == 0 else ""
        except GraftError as error:  # the more reason to tell somebody
            since = f"earlier runs can't be read: {error}"
        if not since:
            return result
        result = result.model_copy(update={"reason": f"{since}; {verdict.reason}"})
    if not (webhook.url or webhook.secret):
        return result
    fields = {} if webhook.format == "text" else result.model_dump(mode="json", exclude={"delivered"})
    try:
        send(webhook.url or secret_url(webhook.secret), {"text": result.summary, **fields})
    except GraftError as error:
        log.error("notify: %s", error)
        return result.model_copy(update={"delivered": False})
    return result.model_copy(update={"delivered": True})


def _verdict(run: Run, pipeline_state: str) -> Verdict:
    stated = _STATES.get(pipeline_state, Outcome.FAILED)
    if not run.store:
        if stated is Outcome.FAILED and asked_if_cancelled(run.run_id):
            stated = Outcome.CANCELLED
        return Verdict(stated, "no more is known without a store")
    try:
        records = read_run(run)
        verdict = judge(records)
        if verdict.outcome.good:
            return verdict
        noted, lost = was_cancelled(run, records), lost_parts(run, records)
    except GraftError as error:  # the more reason to tell somebody
        return Verdict(
            stated if stated is Outcome.CANCELLED else Outcome.FAILED, f"the run record can't be read: {error}"
        )
    cancelled = stated is Outcome.CANCELLED or noted or asked_if_cancelled(run.run_id)
    if cancelled and not noted:
        mark_cancelled(run)  # `graft history` reads the store alone
    return judge(records, Known(cancelled, lost))
