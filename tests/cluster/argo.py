"""What Argo makes of Graft's pipeline, as Kubeflow Pipelines shows it: a run's tasks, in the states that its steps are in.

Steps are given as {name: state}, those that have begun; {"ingest-driver": "FAILED"} for a driver; a list of states where a step had
several attempts. {"ingest-plan": state, "ingest-part": [state, …]} are the tasks of a step in parts, a state a part.
What a test doesn't give follows: the groups around the steps, their drivers, what was omitted after a failure.
"""

import uuid

INNER = ("ingest", "train", "evaluate", "gate", "export")
LAST = ("deploy", "mirror")  # not every pipeline has them; one that does tries them again
OVER = ("SUCCEEDED", "SKIPPED", "FAILED", "ERROR", "OMITTED")
EPOCH = "1970-01-01T00:00:00Z"


def run_tasks(workflow, state, steps, began, now, *, stock=True, retried=()):
    """Returns the tasks of a run.

    Args:
        workflow: Argo's name for the run.
        state: The run's state.
        steps: States of steps and drivers that have begun.
        began: When the run began.
        now: The time.
        stock: Whether KFP's own templateDefaults are in force, with which every node is an attempt of another.
        retried: Steps with `set_retry`, whose executors are attempts without them, too.
    """
    tasks = _Tasks(workflow, began, now, stock, retried)
    state = "RUNNING" if state in ("PENDING", "CANCELING") else state
    tasks.node(workflow, state)
    tasks.node("root-driver", "SUCCEEDED")
    tasks.node("root", state)
    outer = steps.get("exit-handler-1-driver", "SUCCEEDED")
    tasks.node("exit-handler-1-driver", outer)
    if outer != "SUCCEEDED":
        tasks.omitted("exit-handler-1")
        return tasks.made
    failed = any(last(at) == "FAILED" for step, at in steps.items() if not step.startswith("notify"))
    over = failed or state == "SUCCEEDED" or "notify" in steps
    tasks.node("exit-handler-1", ("FAILED" if failed else "SUCCEEDED") if over else "RUNNING")
    if tasks.step("resolve", steps):
        tasks.omitted("condition-2-driver", "condition-2")
    elif last(steps.get("resolve")) == "SUCCEEDED":
        _condition(tasks, steps, over, failed)
    if last(steps.get("notify")) or (over and state in OVER):
        told = steps.get("notify", "SUCCEEDED")
        tasks.node("exit-handler-1.onExit", last(told))
        tasks.step("notify", {**steps, "notify": told})
    return tasks.made


def last(attempts):
    """Returns the state of the last attempt of a step; None where there is none."""
    return (attempts[-1] if attempts else None) if isinstance(attempts, list | tuple) else attempts


def _condition(tasks, steps, over, failed):
    there = [*INNER, *(step for step in LAST if step in tasks.retried)]
    begun = [step for step in there if {step, f"{step}-driver", f"{step}-plan"} & {*steps}]
    tasks.node("condition-2-driver", "SUCCEEDED")
    if not begun:
        if over:
            tasks.bare("condition-2", "SKIPPED", "SKIPPED")
        return
    tasks.node("condition-2", "FAILED" if failed else "SUCCEEDED" if over else "RUNNING")
    broken = False
    for step in there:
        broken = broken or tasks.parts(step, steps)
        if broken:
            tasks.omitted(f"{step}-driver", step)
        elif step in begun:
            broken = tasks.step(step, steps)


class _Tasks:
    def __init__(self, workflow, began, now, stock, retried):
        self.workflow, self.began, self.now, self.stock, self.retried = workflow, began, now, stock, retried
        self.made = []

    def step(self, name, steps):
        """Adds a step with its driver and executor; tells whether it failed, so that what follows is omitted."""
        if name not in steps and f"{name}-driver" not in steps:
            return False
        driver = steps.get(f"{name}-driver", "SUCCEEDED")
        self.node(f"{name}-driver", driver)
        if driver != "SUCCEEDED":
            if driver == "FAILED":
                self.omitted(name)
            return driver == "FAILED"
        attempts = steps[name] if isinstance(steps[name], list | tuple) else [steps[name]]
        self.node(name, attempts[-1])
        self.node("executor", attempts[-1], attempts if self.stock or name in self.retried else ())
        if (
            name in ("ingest", "train") and attempts[-1] == "SUCCEEDED"
        ):  # the metadata store's own entry, of no node of Argo
            self._add({"start_time": self.now, "end_time": self.now, "execution_id": str(len(self.made))})
        return attempts[-1] == "FAILED"

    def parts(self, step, steps):
        """Adds the tasks that plan a step and do a part of it, all parts under one name; tells whether one failed."""
        states = steps.get(f"{step}-part", [])
        if self.step(f"{step}-plan", steps) or not states:
            return steps.get(f"{step}-plan") == "FAILED"
        failed = "FAILED" in states
        at = "RUNNING" if "RUNNING" in states else "FAILED" if failed else "SUCCEEDED"
        self.node("for-loop-1-driver", "SUCCEEDED")
        self.node("for-loop-1", at)
        for number, state in enumerate(states):
            self.node("iteration-driver", "SUCCEEDED")
            self.bare(f"iteration-iterations({number}:{number})", state, "RUNNING")
            self.step(f"{step}-part", {f"{step}-part": state})
        return failed

    def node(self, name, state, attempts=None):
        """Adds a node, and the attempts that it consists of."""
        self.bare(name, state, "RUNNING")
        for number, at in enumerate(([state] if self.stock else []) if attempts is None else attempts):
            pod = name == "executor" or name.endswith("-driver")
            self.bare(f"{name}({number})", at, "PENDING" if pod else "RUNNING", leaf=name == "executor")

    def bare(self, name, state, begun, *, leaf=False):
        over = state in OVER
        history = [begun, state] if over and state != "SKIPPED" else [state]
        task = {"display_name": name, "start_time": self.now, "end_time": self.now if over else EPOCH}
        task |= {"state": state, "state_history": [{"update_time": self.now, "state": at} for at in history]}
        self._add(task if leaf or state == "SKIPPED" else {**task, "child_tasks": [self._child()]})

    def omitted(self, *names):
        """Adds nodes that never began, which have no state at all; only the last has nothing after it."""
        for name in names:
            task = {"display_name": name, "start_time": self.now, "end_time": self.now}
            task |= {"state_history": [{"update_time": self.now}]}
            last_one = name in ("export", "exit-handler-1", "condition-2")
            self._add(task if last_one else {**task, "child_tasks": [self._child()]})

    def _child(self):
        # A node of Argo, and no pod's name: that has the template's name in between.
        return {"pod_name": f"{self.workflow}-{uuid.uuid4().int % 2**32}"}

    def _add(self, task):
        self.made.append({"task_id": str(uuid.uuid4()), "create_time": self.began, **task})
