"""`graft` forked from one process that has imported what its commands need, for pages that call it dozens of times.

    python graft_forks.py SOCKET

serves until its stdin ends. What `write_command` writes starts a `graft` of its own for the first use of each of its commands. For later
ones it hands over its words, environment, folder and standard streams to the server, and ends with the exit code of what was forked.
"""

import gc
import json
import os
import select
import socket
import stat
import sys

COMMAND = """#!{python} -IS
import json, os, socket, sys
try:
    os.close(os.open({path!r} + "-" + sys.argv[1], os.O_CREAT | os.O_EXCL))
    os.execv({graft!r}, [{graft!r}, *sys.argv[1:]])
except FileExistsError:
    pass
with socket.socket(socket.AF_UNIX) as asked:
    asked.connect({path!r})
    socket.send_fds(asked, [b"!"], [os.open(".", os.O_RDONLY), 0, 1, 2])
    asked.sendall(json.dumps([sys.argv[1:], dict(os.environ)]).encode())
    asked.shutdown(socket.SHUT_WR)
    code = asked.recv(1)
sys.exit(code[0] if code else "the process that forks graft is gone")
"""


def write_command(file, path, graft):
    """Writes a command that starts that `graft` or asks at that socket."""
    file.write_text(COMMAND.format(python=sys.executable, path=str(path), graft=str(graft)))
    file.chmod(stat.S_IRWXU)


def serve(path):
    """Forks a command for each that asks, one after the other."""
    import docker  # noqa: F401
    import gcsfs  # noqa: F401
    import google.cloud.storage  # noqa: F401

    import graft.pipelines.cli.clusters.cluster_commands
    import graft.pipelines.cli.clusters.compile_command
    import graft.pipelines.cli.clusters.schedule_commands
    import graft.pipelines.cluster.kubeflow.pipelines
    import graft.pipelines.cluster.vertex.pipelines  # noqa: F401
    from graft.pipelines.cli.app import main

    gc.collect()
    gc.freeze()  # or each fork would go through all of it when it ends
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        while listener in select.select([listener, sys.stdin], [], [])[0]:
            asked, _ = listener.accept()
            with asked:
                child = os.fork()
                if not child:
                    become(asked)
                    main()
                    sys.exit()
                _, status = os.waitpid(child, 0)
                asked.sendall(bytes([os.waitstatus_to_exitcode(status) % 256]))


def become(asked):
    """Makes this process the one that was asked for."""
    _, (folder, *streams), *_ = socket.recv_fds(asked, 1, 4)
    content = b"".join(iter(lambda: asked.recv(1 << 16), b""))
    words, environment = json.loads(content)
    os.fchdir(folder)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["graft", *words]


if __name__ == "__main__":
    serve(sys.argv[1])
