"""Fetching MNIST from a server of our own: what is checked, what is kept, what is said when it fails."""

from __future__ import annotations

import gzip
import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from typer.testing import CliRunner

from eventnet.datasets import fetching
from eventnet.datasets.commands import data_app
from eventnet.datasets.fetching import MNIST_CONTENT, Content, fetch_mnist, problem_of
from eventnet.datasets.mnist import FILES, load_mnist
from eventnet.errors import InputError, RunError
from tests.unit.test_datasets_idx import idx_bytes
from tests.unit.test_datasets_mnist import small_mnist, write_mnist

ARRAYS = small_mnist()
CONTENTS = {
    FILES[part]: Content(len(idx_bytes(array)), hashlib.sha256(idx_bytes(array)).hexdigest())
    for part, array in ARRAYS.items()
}
NAMES = [f"{name}.gz" for name in FILES.values()]


class _Handler(SimpleHTTPRequestHandler):
    """Serves files, remembers what was asked for, and can be told to hang up in the middle of a file."""

    asked: list[str] = []  # noqa: RUF012, each server gets a list of its own
    hang_up_in = ""

    def do_GET(self):
        self.asked.append(self.path.rpartition("/")[2])
        if self.hang_up_in and self.hang_up_in in self.path:
            self.send_response(200)
            self.send_header("Content-Length", "100000")
            self.end_headers()
            self.wfile.write(b"\x1f\x8b and then nothing")
            return
        super().do_GET()

    def log_message(self, *_):
        pass


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A server of the small set: its address, what it was asked for, its folder and its handler."""
    monkeypatch.setenv("no_proxy", "*")
    write_mnist(tmp_path / "served", ARRAYS)

    class Handler(_Handler):
        asked: list[str] = []  # noqa: RUF012

    folder = tmp_path / "served" / "mnist"
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    Handler.url = f"http://127.0.0.1:{server.server_address[1]}/"
    Handler.folder = folder
    yield Handler
    server.shutdown()
    thread.join()
    server.server_close()


def left_behind(folder):
    """The names in a folder that are not those of the data set."""
    return sorted(path.name for path in folder.iterdir() if path.name not in NAMES)


def test_what_is_fetched_can_be_loaded_and_is_not_fetched_again(mirror, tmp_path):
    told = []
    where = fetch_mnist(tmp_path, lambda *what: told.append(what), mirrors=[mirror.url], contents=CONTENTS)
    assert where == tmp_path / "mnist"
    assert mirror.asked == NAMES
    found = load_mnist(tmp_path)
    for part, array in ARRAYS.items():
        assert np.array_equal(getattr(found, part), array), part
    assert left_behind(where) == []
    for name in NAMES:
        size = (where / name).stat().st_size
        assert [what for what in told if what[0] == name][-1] == (name, size, size)
    # one is gone and one is damaged: only these are fetched
    (where / NAMES[1]).unlink()
    (where / NAMES[2]).write_bytes((where / NAMES[2]).read_bytes()[:-9])
    fetch_mnist(tmp_path, mirrors=[mirror.url], contents=CONTENTS)
    assert mirror.asked == [*NAMES, NAMES[1], NAMES[2]]
    assert np.array_equal(load_mnist(tmp_path).test_images, ARRAYS["test_images"])


def test_files_that_the_user_has_unpacked_are_left_alone(mirror, tmp_path):
    write_mnist(tmp_path, ARRAYS, form="{}")
    fetch_mnist(tmp_path, mirrors=[mirror.url], contents=CONTENTS)
    assert mirror.asked == []


def test_the_next_mirror_is_asked_where_one_has_not_got_a_file_or_has_another(mirror, tmp_path):
    (mirror.folder / "empty").mkdir()
    wrong = mirror.folder / "wrong"
    wrong.mkdir()
    for name in NAMES:
        (wrong / name).write_bytes(gzip.compress(b"\0\0\x08\1\0\0\0\1\7"))
    mirrors = [mirror.url + "empty", mirror.url + "wrong/", mirror.url]
    fetch_mnist(tmp_path, mirrors=mirrors, contents=CONTENTS)
    assert mirror.asked == [name for name in NAMES for _ in mirrors]
    assert np.array_equal(load_mnist(tmp_path).train_images, ARRAYS["train_images"])


def test_a_file_fetched_goes_before_a_wrong_one_that_was_there(mirror, tmp_path):
    write_mnist(tmp_path, small_mnist(seed=5), form="{}")
    fetch_mnist(tmp_path, mirrors=[mirror.url], contents=CONTENTS)
    assert np.array_equal(load_mnist(tmp_path).train_images, ARRAYS["train_images"])


def test_wrong_content_is_refused_with_both_sums_and_nothing_is_left(mirror, tmp_path):
    name = next(iter(FILES.values()))
    other = bytearray(idx_bytes(ARRAYS["train_images"]))
    other[-1] ^= 1
    (mirror.folder / f"{name}.gz").write_bytes(gzip.compress(other))
    with pytest.raises(RunError) as refused:
        fetch_mnist(tmp_path, mirrors=[mirror.url], contents=CONTENTS)
    for words in (f"{name}.gz", mirror.url, CONTENTS[name].sha256, hashlib.sha256(other).hexdigest(), "try again"):
        assert words in str(refused.value)
    assert list((tmp_path / "mnist").iterdir()) == []


def test_a_connection_that_breaks_leaves_what_was_there_before(mirror, tmp_path):
    mirror.hang_up_in = NAMES[2]
    before = write_mnist(tmp_path, small_mnist(seed=5)) / "mnist" / NAMES[2]
    as_it_was = before.read_bytes()
    with pytest.raises(RunError, match=NAMES[2]):
        fetch_mnist(tmp_path, mirrors=[mirror.url], contents=CONTENTS)
    assert before.read_bytes() == as_it_was
    assert left_behind(tmp_path / "mnist") == []
    assert problem_of(tmp_path / "mnist" / NAMES[0], CONTENTS[NAMES[0].removesuffix(".gz")]) is None
    # and the next time goes on from there
    mirror.hang_up_in, mirror.asked[:] = "", []
    fetch_mnist(tmp_path, mirrors=[mirror.url], contents=CONTENTS)
    assert mirror.asked == [NAMES[2]]
    assert np.array_equal(load_mnist(tmp_path).test_images, ARRAYS["test_images"])


def test_being_stopped_leaves_nothing_half_done(mirror, tmp_path):
    def stop(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_mnist(tmp_path, stop, mirrors=[mirror.url], contents=CONTENTS)
    assert list((tmp_path / "mnist").iterdir()) == []


def test_a_file_that_goes_on_and_on_is_given_up(mirror, tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "_CHUNK_BYTES", 16)
    (mirror.folder / NAMES[0]).write_bytes(b"x" * 10**6)
    told = []
    with pytest.raises(RunError, match="larger than"):
        fetch_mnist(tmp_path, lambda *what: told.append(what), mirrors=[mirror.url], contents=CONTENTS)
    assert max(n for _, n, _ in told) < 20_000


def test_a_small_file_that_unpacks_to_much_is_read_no_further_than_needed(tmp_path):
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(bytes(50_000_000)))
    assert "more than 100 bytes" in problem_of(tmp_path / "bomb.gz", Content(100, "0" * 64))


def test_without_a_network_it_is_said_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    # a port that was free a moment ago, on which nobody listens
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.server_close()
    nobody = f"http://127.0.0.1:{server.server_address[1]}"
    with pytest.raises(RunError) as refused:
        fetch_mnist(tmp_path, mirrors=[nobody, "no address at all"], contents=CONTENTS)
    for words in (nobody, "refused", "no address at all", "check the connection", str(tmp_path / "mnist")):
        assert words in str(refused.value)
    assert "Traceback" not in str(refused.value)


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match="cannot make the folder"):
        fetch_mnist(tmp_path / "file")


def test_the_sums_are_of_files_with_as_many_items_as_mnist():
    assert set(MNIST_CONTENT) == set(FILES.values())
    sizes = {name: content.n_bytes for name, content in MNIST_CONTENT.items()}
    for half, n in (("train", 60_000), ("test", 10_000)):
        assert sizes[FILES[f"{half}_images"]] == 16 + n * 28 * 28
        assert sizes[FILES[f"{half}_labels"]] == 8 + n
    assert len({content.sha256 for content in MNIST_CONTENT.values()}) == 4
    assert all(len(bytes.fromhex(content.sha256)) == 32 for content in MNIST_CONTENT.values())


def test_the_command_fetches_to_the_folder_given_and_lists_it(mirror, tmp_path, monkeypatch):
    def words_of(*arguments):
        """What the command says, without the spaces and line ends that tables break it up with."""
        done = CliRunner().invoke(data_app, arguments)
        assert done.exit_code == 0, done.exception
        return "".join(done.output.split())

    monkeypatch.setattr(fetching, "fetch_mnist", partial(fetch_mnist, contents=CONTENTS))
    monkeypatch.setenv("EVENTNET_DATA", str(tmp_path / "told"))
    listed = words_of("list")
    assert "0of4filesin" in listed
    for where, options in ((tmp_path / "told", []), (tmp_path / "given", ["--to", str(tmp_path / "given")])):
        said = words_of("fetch", "mnist", "--mirror", mirror.url, *options)
        assert f"mnistisin{where / 'mnist'}" in said
        assert np.array_equal(load_mnist(where).test_labels, ARRAYS["test_labels"])
        for name in NAMES:
            assert f"{name}{(where / 'mnist' / name).stat().st_size:,}bytes" in said
    listed = words_of("list")
    assert "filesin" not in listed
    for name in ("mnist", "mnist-subset", "watch"):
        assert name in listed


def test_the_command_refuses_a_set_that_it_does_not_know():
    refused = CliRunner().invoke(data_app, ["fetch", "imagenet"])
    assert isinstance(refused.exception, InputError)
    assert "imagenet" in str(refused.exception)
    assert "mnist" in str(refused.exception)
