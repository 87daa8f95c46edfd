"""What a version consists of is on the disk before its checksums are, and those before `latest.json` names it: strace tells."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from support import ROOT, skip

SCRIPT = """
import sys
from pathlib import Path
from exports import make_export, publish_and_challenge

make_export(Path(sys.argv[1], "export"), 1)
publish_and_challenge({}, sys.argv[1] + "/new/store", sys.argv[1] + "/export", None)
"""
TRACED = "openat,mkdir,rename,unlink,write,copy_file_range,sendfile,fsync"
# Of a descriptor, -y tells the file.
CALL = re.compile(r"\d+ +(?P<name>\w+)\((?P<words>.*)\) += (?!-1 )")
NAMED, DESCRIBED = re.compile(r'"(/[^"]*)"'), re.compile(r"\d+<(/[^>]*)>")


def lost_at_each_mark(calls):
    """Yields each file that marks something as finished, when it gets its name, and what a crash at that moment would lose."""
    contents, names = set(), set()  # which are not on the disk yet
    for line in calls:
        if not (call := CALL.match(line)):
            continue
        named, described = NAMED.findall(call["words"]), DESCRIBED.findall(call["words"])
        match call["name"]:
            case "openat" if "O_CREAT" in call["words"]:
                names.add(named[-1])
            case "mkdir":
                names.add(named[0])
            case "write" | "sendfile" if described:
                contents.add(described[0])
            case "copy_file_range":
                contents.add(described[-1])
            case "fsync":
                contents.discard(described[0])
                names = {path for path in names if str(Path(path).parent) != described[0]}
            case "unlink":
                names.discard(named[0])
            case "rename":
                before, after = named
                if Path(after).name in ("SHA256SUMS", "latest.json"):
                    hidden = {
                        path for path in names if Path(path).name.startswith(".")
                    }  # locks, and what is written at the time
                    yield after, contents | names - hidden
                contents = {after if path == before else path for path in contents}
                names = names - {before} | {after}


def test_files_and_folders_come_before_checksums_and_those_before_latest(tmp_path):
    if not (strace := shutil.which("strace")):
        skip("strace", "there is no strace")
    log = tmp_path.parent / f"{tmp_path.name}.strace"
    command = [
        strace,
        "-f",
        "-y",
        "-s",
        "0",
        "-e",
        f"trace={TRACED}",
        "-o",
        str(log),
        sys.executable,
        "-c",
        SCRIPT,
        str(tmp_path),
    ]
    done = subprocess.run(command, cwd=ROOT / "tests", capture_output=True, text=True, check=False)
    if "PTRACE" in done.stderr:
        skip("strace", done.stderr)
    assert done.returncode == 0, done.stderr
    marks = list(lost_at_each_mark(line for line in log.read_text().splitlines() if str(tmp_path) in line))
    assert [(Path(mark).name, lost) for mark, lost in marks] == [("SHA256SUMS", set())] * 2 + [("latest.json", set())]
