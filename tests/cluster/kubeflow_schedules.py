"""Schedules, as the API server of Kubeflow Pipelines keeps them and its controller fires them."""

from kubeflow_checks import check_cron, check_parameters, no_namespace, now, page, refuse
from kubeflow_runs import OVER

NAMESPACE = "kubeflow"  # of an installation for one user


class Schedules:
    """The part of the server that is about schedules."""

    def fire(self, schedule):
        """The schedule's time comes: starts a run, or remembers to and returns None.

        What a pause or a run under way kept from starting starts as soon as it can, in spite of `no_catchup`: once.
        """
        entry = self.schedules[schedule]
        running = [
            run for run in self.runs.values() if run.get("recurring_run_id") == schedule and run["state"] not in OVER
        ]
        if entry["status"] != "ENABLED" or len(running) >= int(entry["max_concurrency"]):
            self.due.add(schedule)
            return None
        self.due.discard(schedule)
        run = self._new_run({**entry, "display_name": f"{entry['display_name']}-{len(self.runs)}"})
        run["recurring_run_id"] = schedule
        return run["run_id"]

    def create_schedule(self, match, query, body):
        wrong = "Failed to create a recurring run"
        unfit = f"{wrong} due to conversion error: "
        if not body.get("display_name"):
            refuse(500, f"{unfit}InternalServerError: Invalid input error: Job name cannot be empty")
        most = int(body.get("max_concurrency") or 0)
        if not 1 <= most <= 10:
            refuse(
                400,
                f"{unfit}Invalid input error: Max concurrency of a recurring run must be at least 1 and at most 10. Received {most}",
            )
        trigger = body.get("trigger") or {}
        interval = int((trigger.get("periodic_schedule") or {}).get("interval_second") or 0)
        if cron := (trigger.get("cron_schedule") or {}).get("cron"):
            check_cron(cron)
        elif interval < 1:
            refuse(
                400,
                f"{unfit}Invalid input error: Found invalid period schedule interval {interval}. Set at interval to least 1 second",
            )
        self._check_experiment(f"{wrong}: {wrong} due to", body)
        doing = f"{wrong}: {wrong} during scheduled workflow creation"
        check_parameters(doing, self._version(f"{wrong}: ", body), body)
        status = "ENABLED" if body.get("mode") == "ENABLE" else "DISABLED"
        made = {"service_account": "pipeline-runner", "namespace": NAMESPACE, "updated_at": now(), "status": status}
        given = {key: value for key, value in body.items() if value is not None}
        return self._keep(self.schedules, "recurring_run_id", {**made, **given})

    def get_schedule(self, match, query, body):
        return self._found(self.schedules, "Failed to fetch a recurring run: ", "Job", match[1])

    def list_schedules(self, match, query, body):
        found, experiment = list(self.schedules.values()), query.get("experiment_id")
        if experiment:
            if experiment not in self.experiments:
                wrong = (
                    "Failed to list jobs: Failed to list recurring runs due to error fetching namespace for experiment "
                )
                by_name = f"{experiment}. Try filtering based on namespace: "
                refuse(404, wrong + by_name + no_namespace(query, short=True))
            found = [entry for entry in found if entry["experiment_id"] == experiment]
        return page("recurringRuns", found, query)

    def enable(self, match, query, body):
        enabled = str(match[2] == "enable").lower()
        wrong = f"Failed to {match[2]} a recurring run: Failed to change recurring run's mode to enable:{enabled}. "
        entry = self._found(self.schedules, wrong + "Check if recurring run {0} exists: ", "Job", match[1])
        word = match[2].upper()
        entry |= {"mode": word, "status": f"{word}D", "updated_at": now()}
        if match[1] in self.due:
            self.fire(match[1])
        return {}

    def delete_schedule(self, match, query, body):
        wrong = "Failed to delete a recurring run: Failed to delete recurring run {0}. Check if exists: "
        self._found(self.schedules, wrong, "Job", match[1])
        del self.schedules[match[1]]
        return {}
