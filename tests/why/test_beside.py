"""A run that another process reads tells the same as one that is read here, and nothing is left of that process."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from eventnet.config import dump, find_config, load_config, with_overrides
from eventnet.engines.actor import ActorEngine
from eventnet.network import derive
from eventnet.opening import groups_of, open_streams
from eventnet.trace.store import RunWriter
from tests.recorded import two_rates

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2, reason="no process is forked here"
)

NOTING = """
import os
import sys
forked = []
fork = os.fork
def noting():
    pid = fork()
    forked.append(pid)
    return pid
os.fork = noting
"""
PRELUDE = f"""
import eventnet.why.beside as beside
from eventnet.cli import main
{NOTING}
"""
ENDING = """
try:
    main()
except SystemExit as done:
    code = done.code
assert len(forked) == {n_forked}, forked
for pid in forked:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        continue
    raise AssertionError("it is still there")
sys.exit(code)
"""
HERE = "beside._has_room_beside = lambda: False"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_rates(tmp_path_factory.mktemp("beside") / "run", 2.0).path


def ask(run: Path, *arguments: str, before: str = "", n_forked: int = 1) -> subprocess.CompletedProcess[str]:
    script = f"{PRELUDE}\n{before}\n{ENDING.format(n_forked=n_forked)}"
    command = [sys.executable, "-c", script, "why", str(run), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def spikes(run: Path) -> list[int]:
    from eventnet.trace.queries import open_run

    return [event for batch in open_run(run).spikes() for event in batch["event"].to_pylist()]


@pytest.mark.parametrize("form", [(), ("--json",), ("--depth", "4", "--breadth", "2")])
def test_the_same_is_told(run: Path, form: tuple[str, ...]) -> None:
    every = spikes(run)
    for event in (every[len(every) // 3], every[-1]):
        far = ask(run, str(event), *form)
        near = ask(run, str(event), *form, before=HERE, n_forked=0)
        assert far.returncode == near.returncode == 0, far.stderr + near.stderr
        assert far.stdout == near.stdout
        assert str(event) in far.stdout


def damaged(run: Path, tmp_path: Path) -> Path:
    """The rows of its last part cannot be read, but that is noticed when they are."""
    copy = shutil.copytree(run, tmp_path / "damaged")
    shutil.rmtree(copy / "replay", ignore_errors=True)
    file = copy / "trace" / "tail.parquet"
    file.write_bytes(file.read_bytes()[:-20])
    return copy


def without_config(run: Path, tmp_path: Path) -> Path:
    copy = shutil.copytree(run, tmp_path / "without")
    (copy / "config.yaml").write_text("populations: 3\n", encoding="utf-8")
    return copy


def of_another_dtype(run: Path, tmp_path: Path) -> Path:
    copy = shutil.copytree(run, tmp_path / "another")
    file = copy / "provenance.json"
    file.write_text(file.read_text(encoding="utf-8").replace("float64", "float16")[:-40], encoding="utf-8")
    return copy


def missing(run: Path, tmp_path: Path) -> Path:
    return tmp_path / "nowhere"


def as_it_is(run: Path, tmp_path: Path) -> Path:
    return run


@pytest.mark.parametrize("made", [damaged, without_config, of_another_dtype, missing, as_it_is])
def test_errors_are_the_same(made, run: Path, tmp_path: Path) -> None:
    path = made(run, tmp_path)
    event = "99999999" if path == run else "3"
    far = ask(path, event)
    near = ask(path, event, before=HERE, n_forked=0)
    assert far.stderr == near.stderr
    assert far.returncode == near.returncode == 2
    assert len(far.stderr.strip().splitlines()) <= 3
    assert "Traceback" not in far.stderr


def test_one_that_is_killed_is_missed(run: Path) -> None:
    """Its end is told in one line, whenever it comes."""
    killing = """
import signal
answer = beside._Reader.answer
def after_its_end(self):
    found = answer(self)
    os.kill(self._pid, signal.SIGKILL)
    return found
beside._Reader.answer = after_its_end
"""
    told = ask(run, str(spikes(run)[-1]), before=killing)
    assert told.returncode == 1
    assert "the process that read the run has ended" in told.stderr
    assert "Traceback" not in told.stderr


@pytest.mark.parametrize("method", ["first_at", "event", "driven"])
def test_a_fault_there_is_told_with_its_place(method: str, run: Path) -> None:
    fault = f"""
import eventnet.why.log
def at_fault(self, *given):
    raise ZeroDivisionError("on purpose")
eventnet.why.log.EventLog.{method} = at_fault
"""
    told = ask(run, str(spikes(run)[-1]), before=fault)
    assert told.returncode == 1
    assert "ZeroDivisionError" in told.stderr
    assert "in at_fault" in told.stderr  # where it happened, and not only where it was asked for


@pytest.mark.parametrize("ends_in", ["return read_on(self)", "raise ZeroDivisionError"])
def test_it_reads_on_while_nobody_asks(ends_in: str, run: Path, tmp_path: Path) -> None:
    """What goes wrong then is told when somebody asks for it, or not at all."""
    note, spike = tmp_path / "note", str(spikes(run)[-1])
    noting = f"""
import time
import eventnet.why.log
read_on = eventnet.why.log.EventLog.read_on
def noting(self):
    if self._expected[0]:
        with open({str(note)!r}, "a") as file:
            file.write("read on")
    {ends_in}
eventnet.why.log.EventLog.read_on = noting
ask = beside._Reader.ask
def late(self, *given):
    deadline_s = time.monotonic() + 60
    while not os.path.exists({str(note)!r}) and time.monotonic() < deadline_s:
        time.sleep(0.01)
    return ask(self, *given)
beside._Reader.ask = late
"""
    told = ask(run, spike, before=noting)
    assert told.returncode == 0, told.stderr
    assert told.stdout == ask(run, spike).stdout
    assert "read on" in note.read_text(encoding="utf-8")


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"  # one that nobody has waited for yet


BEGUN = f"""
from eventnet import __main__ as command
{NOTING}
try:
    command.main()
finally:
    print(len(forked), *forked)
"""


@pytest.mark.parametrize(
    ("arguments", "n_forked"),
    [(("why", "RUN", "SPIKE"), 1), (("why", "RUN", "--weight", "hidden->output", "0", "0"), 0), (("spikes", "RUN"), 0)],
)
def test_the_command_has_the_run_read_before_it_knows_which(
    arguments: tuple[str, ...], n_forked: int, run: Path
) -> None:
    spike = str(spikes(run)[-1])
    words = [{"RUN": str(run), "SPIKE": spike}.get(each, each) for each in arguments]
    done = subprocess.run([sys.executable, "-c", BEGUN, *words], capture_output=True, text=True, timeout=300)
    *told, last = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert last.split()[0] == str(n_forked)
    assert not any(map(is_running, map(int, last.split()[1:])))
    if n_forked:
        assert "\n".join(told) == ask(run, spike, before=HERE, n_forked=0).stdout.rstrip("\n")


@pytest.mark.parametrize("arguments", [("why", "--help"), ("why",), ("why", "RUN", "three"), ("why", "RUN", "1", "2")])
def test_what_asks_nothing_leaves_nobody_behind(arguments: tuple[str, ...], run: Path) -> None:
    words = [str(run) if each == "RUN" else each for each in arguments]
    done = subprocess.run([sys.executable, "-c", BEGUN, *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == (0 if "--help" in words else 2)
    assert "Traceback" not in done.stderr
    (n_forked, pid) = map(int, done.stdout.splitlines()[-1].split())
    assert n_forked == 1
    deadline_s = time.monotonic() + 20
    while is_running(pid):  # it may be loading something at that time
        assert time.monotonic() < deadline_s, "it is still there"
        time.sleep(0.05)


def test_a_run_of_whole_parts_only(tmp_path: Path) -> None:
    """Its tail has no rows."""
    config = with_overrides(load_config(find_config("two_rates")), until_ns=10**9)
    graph, n_events = derive(config.network), 10**6
    for _ in range(2):
        streams, path = open_streams(config), tmp_path / str(n_events)
        groups = groups_of(graph, streams)
        with RunWriter.create(
            path, graph, config_text=dump(config), config_name="", engine="actor", groups=groups, part_events=n_events
        ) as writer:
            engine = ActorEngine(config.network, streams, [writer])
            engine.run(10**9)
            n_events = int(engine.totals.events.sum())
            writer.close("interrupted", 10**9)
    spike = str(spikes(path)[-1])
    assert ask(path, spike).stdout == ask(tmp_path / str(10**6), spike).stdout != ""


def test_it_ends_with_who_asked(run: Path) -> None:
    """Also where that one is killed."""
    script = f"""{PRELUDE}
import time
from pathlib import Path
with beside.reading_beside(Path({str(run)!r}), 0):
    print(forked[0], flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as asking:
        assert asking.stdout is not None
        pid = int(asking.stdout.readline())
        assert is_running(pid)
        asking.send_signal(signal.SIGKILL)
    deadline_s = time.monotonic() + 20
    while is_running(pid):
        assert time.monotonic() < deadline_s, "it is still there"
        time.sleep(0.05)
