"""The line of a step on a terminal."""

from rich.cells import cell_len
from rich.console import ConsoleOptions
from rich.text import Text

from graft.components.common.steps import STEPS
from graft.pipelines.console.board import Board, Row, State

_STYLES = {State.RUNNING: "bold", State.DONE: "green", State.FAILED: "bold red", State.CANCELLED: "yellow"}
_FAINT = "bright_black"
_NAME = max(map(len, STEPS))
_SHORTEST_BAR, _LONGEST_BAR = 6, 30


def board_lines(board: Board, options: ConsoleOptions, *, colours: bool) -> list[Text]:
    """Returns a line a step, and one for the whole run, none wider than the terminal.

    Args:
        board: The steps.
        options: Tell the terminal's width and encoding.
        colours: Whether the terminal shows any: without them a bar shows only what is done.
    """
    width = options.max_width - 1  # some terminals wrap after the last column
    rows = board.rows()
    lines = [_line(step, row, width, ascii_only=options.ascii_only, colours=colours) for step, row in rows.items()]
    total = Text(f"{'total':{_NAME}}  {'':7}  {duration(board.seconds):>7}", no_wrap=True)
    total.truncate(width)
    return [*lines, total]


def duration(seconds: float) -> str:
    """Returns seconds as people read them: 52 s, 3:07, 1:02:09."""
    if seconds < 60:
        return f"{int(seconds)} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def speed_of(row: Row) -> str:
    """Returns how fast a step is and when it has done what it is doing; nothing where that is unknown."""
    if row.seconds_left is None:
        return ""
    speed = f"{row.speed:.0f}" if row.speed >= 10 else f"{row.speed:.1f}"
    return f"{speed} {row.doing.unit}/s, {duration(row.seconds_left)} left"


def _line(step: str, row: Row, width: int, *, ascii_only: bool, colours: bool) -> Text:
    style = _STYLES.get(row.state, _FAINT)
    seconds = (
        "" if row.seconds is None else duration(row.seconds) if row.state is State.RUNNING else f"{row.seconds:.1f} s"
    )
    line = Text.assemble((f"{step:{_NAME}}  ", style), (f"{row.state:7}", style), f"  {seconds:>7}  ", no_wrap=True)
    room = width - cell_len(line.plain)
    if row.state is not State.RUNNING:
        line.append(row.summary)
    elif not row.doing.total:
        line.append(row.doing.what)
    else:
        _append_progress(line, row, room, ascii_only=ascii_only, colours=colours)
    line.truncate(width, overflow="crop" if ascii_only else "ellipsis")
    return line


def _append_progress(line: Text, row: Row, room: int, *, ascii_only: bool, colours: bool) -> None:
    """Appends what fits of: the work, a bar, how many of how many, and how fast."""
    doing = row.doing
    counts, speed = f"{doing.done:,} of {doing.total:,}", speed_of(row)
    for parts in ([counts, speed], [speed or counts], []):
        after = "".join(f"  {part}" for part in parts if part)
        bar = min(room - cell_len(doing.what) - 2 - len(after), _LONGEST_BAR)
        if bar >= _SHORTEST_BAR:
            break
    else:
        line.append(f"{doing.what}  {counts}")
        return
    done = min(bar, bar * doing.done // doing.total)
    full, rest = ("#", "-") if ascii_only else ("━", "━" if colours else " ")
    line.append(f"{doing.what}  ")
    line.append(full * done, "cyan")
    line.append(rest * (bar - done), _FAINT)
    line.append(after)
