"""Real processes that needn't import TensorFlow, or other modules: they are forked from one that has, and that has done nothing else."""

import importlib
import json
import os
import subprocess
import sys
import traceback
from pathlib import Path


class Forker:
    """A process that has TensorFlow imported, or these modules instead, and forks others that run a script each, side by side."""

    def __init__(self, *modules):
        command = [sys.executable, __file__, *modules]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def run(self, folder, script, *commands):
        """Runs a script in a process for each list of words, all at once, and waits for them.

        Args:
            folder: Where what they print goes.
            script: Python code; `sys.argv` has the words after its name.
            commands: The words of each.

        Returns:
            Exit code and what was printed to stdout, of each; a signal's number, negative, is the exit code of what it killed.
        """
        outputs = [folder / f"stdout-{number}" for number in range(len(commands))]
        told = [
            script,
            [[str(word) for word in words] for words in commands],
            list(map(str, outputs)),
            dict(os.environ),
        ]
        self._process.stdin.write(json.dumps(told).encode() + b"\n")
        self._process.stdin.flush()
        codes = json.loads(self._process.stdout.readline())
        return [(code, output.read_text()) for code, output in zip(codes, outputs, strict=True)]

    def end(self):
        self._process.communicate()


def _fork(script, words, output, environment):
    if child := os.fork():
        return child
    code = 1
    try:
        for number, path in ((0, os.devnull), (1, output)):
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            os.dup2(file, number)
            os.close(file)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = ["script", *words]
        exec(compile(script, "script", "exec"), {"__name__": "__main__"})
        code = 0
    except SystemExit as ended:
        code = ended.code or 0
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    os._exit(code)  # TensorFlow's threads are not waited for


def _serve(modules):
    for module in modules:
        importlib.import_module(module)
    if not modules:
        from graft.components.common.compute.tensorflow import import_tensorflow

        import_tensorflow()
    for line in sys.stdin:
        script, commands, outputs, environment = json.loads(line)
        children = [_fork(script, words, output, environment) for words, output in zip(commands, outputs, strict=True)]
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        print(json.dumps(codes), flush=True)


if __name__ == "__main__":
    sys.path.remove(str(Path(__file__).parent))  # a script's folder, which no component sees
    _serve(sys.argv[1:])
