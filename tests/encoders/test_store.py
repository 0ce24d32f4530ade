"""The embedding store: each key once, whoever asks, whatever dies, nothing wrong."""

import hashlib
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import tracemalloc
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone

from skmultimodal.encoders import _store, _store_claims, _store_file, _store_rows
from skmultimodal.encoders._store import EmbeddingStore, as_store

FILE = "embeddings.sqlite"


def keys_of(n, salt=""):
    return [hashlib.sha256(f"{salt}{k}".encode()).digest() for k in range(n)]


def vector(k, width=8):
    return np.random.default_rng(k).normal(size=width).astype(np.float32)


def run(store, keys, chunk=4, make=vector):
    """What each position was given, and which positions were encoded here."""
    given, asked = {}, []

    def encode(positions):
        assert 0 < len(positions) <= chunk
        asked.extend(positions)
        return [make(k) for k in positions]

    def found(k, result):
        assert k not in given
        given[k] = result

    n = store._encode(keys, encode, chunk, found, "test")
    assert n == len(asked) == len(set(asked))
    assert sorted(given) == list(range(len(keys)))
    return given, asked


def nothing(k):
    raise AssertionError(f"{k} is stored and was encoded again")


@pytest.fixture
def store(tmp_path):
    return EmbeddingStore(tmp_path / "store")


def database(store):
    return sqlite3.connect(Path(store.path) / FILE, isolation_level=None)


def execute(store, query, *values):
    db = database(store)
    try:
        return db.execute(query, *values).fetchall()
    finally:
        db.close()


# ------------------------------------------------------------------ one process


@pytest.mark.parametrize("shape", [(5,), (3, 4), (1, 1), (0,), (2, 3, 4)])
def test_what_was_written_is_read_bit_by_bit(store, shape):
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape).astype(np.float32) for _ in range(3)]
    if arrays[0].size:
        arrays[1].flat[0], arrays[2].flat[0] = np.nan, -0.0
    keys = keys_of(3)
    run(store, keys, make=arrays.__getitem__)
    again, _ = run(store, keys, make=nothing)
    read = store._read([*keys, b"another"])
    assert set(read) == set(keys)
    for k, array in enumerate(arrays):
        for back in (again[k], read[keys[k]]):
            assert back.dtype == np.float32
            assert back.shape == shape
            assert back.tobytes() == array.tobytes()
            back += 1  # the caller's own


def test_first_and_second_run_give_the_same_type(store):
    make = {0: np.arange(6.0).reshape(2, 3).T, 1: np.arange(3)}.__getitem__
    first, _ = run(store, keys_of(2), make=make)
    second, _ = run(store, keys_of(2), make=nothing)
    for k in first:
        assert first[k].dtype == second[k].dtype == np.float32
        np.testing.assert_array_equal(first[k], second[k])


def test_only_what_is_new_is_encoded_in_order_and_in_chunks(store):
    keys = keys_of(2000)
    run(store, keys[:1500:2], chunk=100)
    given, asked = run(store, keys, chunk=100)
    assert asked == [k for k in range(2000) if k % 2 or k >= 1500]
    np.testing.assert_array_equal(given[1501], vector(1501))


def test_errors_are_results_but_not_kept(store):
    def make(k):
        return ValueError("broken") if k == 3 else vector(k)

    given, _ = run(store, keys_of(6), make=make)
    assert isinstance(given[3], ValueError)
    given, asked = run(store, keys_of(6))
    assert asked == [3]
    np.testing.assert_array_equal(given[3], vector(3))


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_what_raises_keeps_earlier_chunks_and_no_claim(store, error):
    def fail(k):
        if k == 5:
            raise error("stop")
        return vector(k)

    with pytest.raises(error, match="stop"):
        run(store, keys_of(8), make=fail)
    assert store.info()["n_vectors"] == 4
    assert execute(store, "SELECT * FROM claims") == []
    assert execute(store, "SELECT * FROM owners") == []
    assert run(store, keys_of(8))[1] == [4, 5, 6, 7]


def test_a_reader_that_raises_keeps_the_chunk_and_no_claim(store):
    def refuse(k, result):
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        store._encode(keys_of(8), lambda which: [*map(vector, which)], 4, refuse)
    assert execute(store, "SELECT * FROM claims") == []
    assert run(store, keys_of(8))[1] == [4, 5, 6, 7]


def test_results_must_be_as_many_as_asked_and_keys_unique(store):
    with pytest.raises(ValueError, match="1 results for 2 keys"):
        store._encode(keys_of(2), lambda which: [vector(0)], 2, print)
    with pytest.raises(ValueError, match="unique"):
        store._encode([b"a", b"a"], lambda which: [vector(0)] * 2, 2, print)


def test_reading_holds_one_vector_at_a_time(store):
    n, width = 50, 50_000
    keys = keys_of(n)
    run(store, keys, make=lambda k: np.full(width, k, np.float32))
    tracemalloc.start()
    sums = []
    store._encode(keys, nothing, 4, lambda k, array: sums.append(array[0] == k))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sums == [True] * n
    assert peak < 6 * 4 * width


def test_reading_twice_writes_nothing(store):
    run(store, keys_of(20))
    file = Path(store.path) / FILE
    before = file.read_bytes()
    run(store, keys_of(20), make=nothing)
    assert file.read_bytes() == before


# ------------------------------------------------------- as a parameter, as a folder


class Encoder(BaseEstimator):
    def __init__(self, store=None):
        self.store = store


def test_it_is_a_parameter_like_any_other(tmp_path):
    store = EmbeddingStore(tmp_path / "new", max_bytes=1000)
    for twin in (
        deepcopy(store),
        pickle.loads(pickle.dumps(store)),
        clone(Encoder(store)).store,
        eval(repr(EmbeddingStore(str(tmp_path / "new"), max_bytes=1000))),
    ):
        assert repr(twin.max_bytes) == "1000"
        assert Path(twin.path) == store.path
    assert deepcopy(store) == store
    assert hash(deepcopy(store)) == hash(store)
    assert store != EmbeddingStore(store.path)
    assert store != store.path
    assert not Path(store.path).exists()
    assert as_store(store) is store
    assert as_store("a/b") == EmbeddingStore("a/b")


def test_info_counts_and_clear_removes(store):
    empty = store.info()
    store.clear()
    assert empty["n_vectors"] == empty["bytes"] == 0
    assert not Path(store.path).exists()
    run(store, keys_of(300), make=lambda k: vector(k, 1000))
    store._encode(keys_of(7, "x"), lambda w: [*map(vector, w)], 9, lambda *_: 0, "b")
    info = store.info()
    assert info["encoders"] == {"test": 300, "b": 7}
    assert info["n_vectors"] == 307
    assert info["path"] == str(store.path)
    assert info["bytes"] == (Path(store.path) / FILE).stat().st_size > 1_200_000
    store.clear()
    assert store.info()["n_vectors"] == 0
    assert (Path(store.path) / FILE).stat().st_size < 200_000
    assert len(run(store, keys_of(307))[1]) == 307


def test_nothing_but_the_file_is_left(store):
    run(store, keys_of(9))
    assert os.listdir(store.path) == [FILE]


@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_path_that_is_a_file_is_refused(tmp_path, below):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match="expected a folder"):
        run(EmbeddingStore(tmp_path / "file" / below), keys_of(1))
    assert (tmp_path / "file").read_text() == "mine"


def test_parameters_are_checked_at_use():
    with pytest.raises(TypeError, match="path of a folder, got 3"):
        EmbeddingStore(3).info()
    for bound in (0, -1, "much", float("nan")):
        with pytest.raises(ValueError, match="max_bytes must be"):
            EmbeddingStore("x", max_bytes=bound).info()


# -------------------------------------------------------------- processes and threads

CHILD = """
import hashlib, sys, time
import numpy as np
from skmultimodal.encoders._store import EmbeddingStore

folder, n, chunk, pause = sys.argv[1], *map(float, sys.argv[2:])
keys = [hashlib.sha256(str(k).encode()).digest() for k in range(int(n))]
given = {}
def encode(positions):
    print("encode", *positions, flush=True)
    time.sleep(pause)
    return [np.random.default_rng(k).normal(size=8).astype("f4") for k in positions]
print("ready", flush=True)
sys.stdin.readline()
EmbeddingStore(folder)._encode(keys, encode, int(chunk), given.__setitem__)
assert sorted(given) == list(range(int(n)))
for k, array in given.items():
    expected = np.random.default_rng(k).normal(size=8).astype("f4")
    assert array.tobytes() == expected.tobytes()
print("done", flush=True)
"""


class Child:
    """A process of its own, that waits for `go` once it is ready."""

    def __init__(self, store, n, chunk, pause):
        arguments = [str(store.path), str(n), str(chunk), str(pause)]
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", CHILD, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )

    def wait_until_ready(self):
        assert self.process.stdout.readline() == "ready\n"

    def go(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def encoded(self):
        """Positions, once it has ended well."""
        said = self.process.communicate(timeout=100)[0].splitlines()
        assert self.process.returncode == 0
        assert said.pop() == "done"
        return [int(k) for line in said for k in line.split()[1:]]


def test_two_processes_on_an_empty_store_share_the_work(store):
    children = [Child(store, 120, 8, 0.1) for _ in range(2)]
    for child in children:
        child.wait_until_ready()  # one may start long after the other
    for child in children:
        child.go()
    shares = [child.encoded() for child in children]
    assert sorted(shares[0] + shares[1]) == list(range(120))
    assert min(map(len, shares)) >= 16


def test_a_killed_process_loses_its_chunk_and_no_more(store):
    child = Child(store, 200, 10, 0.01)
    child.wait_until_ready()
    child.go()
    lines = [child.process.stdout.readline() for _ in range(7)]
    assert lines[-1].split()[1] == "60"
    child.process.send_signal(signal.SIGKILL)
    committed = {k for line in lines[:-1] for k in map(int, line.split()[1:])}
    # Not waited for yet: a zombie's claims are a dead one's.
    given, asked = run(store, keys_of(200), chunk=10)
    child.process.communicate()
    assert not committed & set(asked)
    assert len(asked) >= 100
    np.testing.assert_array_equal(given[61], vector(61))
    assert execute(store, "PRAGMA integrity_check") == [("ok",)]
    assert execute(store, "SELECT * FROM claims") == []
    run(store, keys_of(200), make=nothing)


def test_threads_share_the_work(store):
    keys, asked, results = keys_of(200), [], []

    def encode(positions):
        asked.extend(positions)
        time.sleep(0.005)
        return [vector(k) for k in positions]

    def work():
        given = {}
        store._encode(keys, encode, 10, given.__setitem__)
        results.append(given)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(asked) == list(range(200))
    assert len(results) == 4
    for given in results:
        assert len(given) == 200
        np.testing.assert_array_equal(given[199], vector(199))


def test_what_another_gives_up_is_taken_over(store):
    """Another's errors are tried again here, and its crash holds nobody up."""
    keys, met = keys_of(8), threading.Event()

    def slow(positions):
        met.set()
        time.sleep(0.2)
        return [ValueError("broken") for _ in positions]

    thread = threading.Thread(target=store._encode, args=(keys, slow, 8, print))
    thread.start()
    assert met.wait(10)
    _, asked = run(store, keys)
    thread.join()
    assert asked == list(range(8))


def claimed_by(store, keys, **changes):
    """Claims of somebody else, as they stand in the store."""
    who = {
        "place": _store_claims._place(),
        "pid": os.getpid(),
        "started": _store_claims._start(os.getpid()),
        "expires": time.time() + 100,
    } | changes
    run(store, keys_of(1, "make it"))
    execute(store, "INSERT INTO owners VALUES ('t', ?, ?, ?, ?)", [*who.values()])
    for key in keys:
        execute(store, "INSERT INTO claims VALUES (?, 't')", [key])


@pytest.mark.parametrize(
    "who",
    [
        {"place": "elsewhere", "expires": time.time() - 1},
        {"pid": os.getppid(), "started": "recycled"},
        {"pid": 2**22 + 1, "started": ""},
        {"pid": os.getpid()},  # of this process, but no thread is at it
        {"pid": os.getppid(), "expires": time.time() - 10**6},  # alive, but stopped
    ],
    ids=["lease over", "number given again", "no process", "thread", "stopped"],
)
def test_claims_of_the_dead_do_not_count(store, who):
    claimed_by(store, keys_of(4), **who)
    assert run(store, keys_of(8))[1] == list(range(8))


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")
@pytest.mark.parametrize("other", ["another host", "another process"])
def test_claims_of_the_living_are_waited_for(store, other, monkeypatch):
    parent = os.getppid()
    who = {"place": "elsewhere"}
    if other == "another process":
        who = {"pid": parent, "started": _store_claims._start(parent)}
    claimed_by(store, keys_of(4), **who)

    class WaitedError(Exception):
        pass

    def sleep(seconds):
        raise WaitedError

    monkeypatch.setattr(_store.time, "sleep", sleep)
    asked = []

    def encode(positions):
        asked.extend(positions)
        return [vector(k) for k in positions]

    with pytest.raises(WaitedError):
        store._encode(keys_of(8), encode, 8, lambda *_: None)
    assert asked == [4, 5, 6, 7]
    assert len(execute(store, "SELECT * FROM claims")) == 4


def test_many_processes_make_one_store_at_once(store):
    """Threads here: the same race, sooner."""
    errors = []

    def work(k):
        try:
            run(store, keys_of(3, f"{k}-"))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert store.info()["n_vectors"] == 24
    assert os.listdir(store.path) == [FILE]


# ------------------------------------------------------------------------- bounds


def test_the_least_recently_used_goes_first(tmp_path, monkeypatch):
    store = EmbeddingStore(tmp_path, max_bytes=1_600_000)
    now = [1e9]
    monkeypatch.setattr(_store_rows.time, "time", lambda: now[0])

    def fill(salt, n=100):
        now[0] += 2 * _store_rows._USED_STEP
        _, asked = run(store, keys_of(n, salt), chunk=10, make=lambda k: vector(k, 900))
        return len(asked)

    assert fill("a") + fill("b") + fill("c") == 300
    assert fill("a") == 0  # used again
    assert fill("d", 60) == 60
    assert store.info()["bytes"] <= 1_600_000
    now[0] += 2 * _store_rows._USED_STEP
    kept = {s: len(store._read(keys_of(100, s))) for s in "abcd"}
    assert (kept["a"], kept["c"], kept["d"]) == (100, 100, 60)
    assert 0 < kept["b"] < 100
    # The file on the disk is as small as it says.
    assert (tmp_path / FILE).stat().st_size <= 1_600_000
    assert execute(store, "PRAGMA integrity_check") == [("ok",)]
    entries = execute(store, "SELECT id FROM entries ORDER BY id")
    assert entries == execute(store, "SELECT id FROM vectors ORDER BY id")


def test_a_store_too_small_for_anything_still_hands_on(tmp_path):
    store = EmbeddingStore(tmp_path, max_bytes=1)
    given, asked = run(store, keys_of(20))
    assert len(asked) == 20
    np.testing.assert_array_equal(given[7], vector(7))
    assert store.info()["n_vectors"] == 0


def test_a_smaller_bound_holds_from_the_next_writing_on(tmp_path):
    run(EmbeddingStore(tmp_path), keys_of(500), make=lambda k: vector(k, 1000))
    store = EmbeddingStore(tmp_path, max_bytes=10**6)
    run(store, keys_of(1, "x"))
    assert store._read(keys_of(1, "x"))
    assert 100 < store.info()["n_vectors"] < 250
    assert (tmp_path / FILE).stat().st_size <= 10**6


# ------------------------------------------------------------------- damaged, foreign


def damage_header(file):
    file.write_bytes(b"no database at all" * 1000)


def damage_pages(file):
    data = bytearray(file.read_bytes())
    data[16384:] = os.urandom(len(data) - 16384)
    file.write_bytes(data)


def damage_vectors(file):
    data = file.read_bytes()
    at = data.index(vector(5).tobytes())
    file.write_bytes(data[: at + 3] + bytes([data[at + 3] ^ 1]) + data[at + 4 :])


def damage_version(file):
    db = sqlite3.connect(file)
    db.execute("PRAGMA user_version = 99")
    db.close()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (damage_header, "is damaged"),
        (damage_pages, "is damaged"),
        (damage_vectors, "does not match its checksum"),
        (damage_version, "has format 99, expected 1"),
    ],
)
def test_a_damaged_store_says_so_and_can_be_cleared(store, damage, said):
    run(store, keys_of(20))
    damage(Path(store.path) / FILE)
    with pytest.raises(OSError, match=rf"(?s){said}.*clear\(\)"):
        run(store, keys_of(20))
    store.clear()
    assert len(run(store, keys_of(20))[1]) == 20


def test_a_foreign_database_is_left_alone(store):
    os.makedirs(store.path)
    execute(store, "CREATE TABLE mine (x)")
    for use in (store.info, store.clear, lambda: run(store, keys_of(1))):
        with pytest.raises(OSError, match=r"is no embedding store.*another folder"):
            use()
    assert execute(store, "SELECT name FROM sqlite_master") == [("mine",)]


def test_a_busy_store_says_what_to_do(store, monkeypatch):
    run(store, keys_of(1))
    monkeypatch.setattr(_store_file, "_TIMEOUT", 0.05)
    db = database(store)
    db.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(OSError, match=r"locked.*local disk"):
            run(store, keys_of(2))
    finally:
        db.close()


def test_a_store_that_cannot_be_written_serves_what_it_holds(store, monkeypatch):
    run(store, keys_of(4))
    monkeypatch.setattr(_store_rows, "_USED_STEP", -10)  # would like to stamp
    file = Path(store.path) / FILE
    before = file.read_bytes()
    file.chmod(0o444)
    file.parent.chmod(0o555)
    if os.geteuid() == 0:  # whom rights do not stop
        monkeypatch.setattr(_store_file.os, "access", lambda path, mode: False)
    try:
        run(store, keys_of(4), make=nothing)
        assert store.info()["n_vectors"] == 4
        with pytest.warns(UserWarning, match=r"cannot be written.*\(2 cells\)"):
            given, asked = run(store, keys_of(6), chunk=1)
        assert asked == [4, 5]
        np.testing.assert_array_equal(given[5], vector(5))
        assert store._file_digests([(file, file.stat())], digest_of) == [b"new"]
        with pytest.raises(OSError, match="readonly"):
            store.clear()
        with pytest.raises(OSError, match=r"no store can be made.*may write to"):
            run(EmbeddingStore(file.parent / "new"), keys_of(1))
    finally:
        file.parent.chmod(0o755)
    assert os.listdir(store.path) in ([FILE], [FILE, "new"], ["new", FILE])
    assert file.read_bytes() == before


def digest_of(positions):
    return [b"new" for _ in positions]


# -------------------------------------------------------------------- hashes of files


def digest(store, path):
    """Whether the content had to be read, and its hash."""
    read = []

    def compute():
        read.append(path)
        return hashlib.sha256(Path(path).read_bytes()).digest()

    found = store._file_digest(path, os.stat(path), compute)
    assert found == hashlib.sha256(Path(path).read_bytes()).digest()
    return bool(read)


@pytest.fixture
def settled(monkeypatch):
    """Let files count as left alone at once."""
    monkeypatch.setattr(_store, "_SETTLED", -10.0)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "voice.wav"
    path.write_bytes(b"one")
    return path


def test_an_unchanged_file_is_read_once(store, file, settled, monkeypatch):
    assert digest(store, file)
    assert not digest(store, file)
    assert not digest(store, str(file))
    monkeypatch.chdir(file.parent)
    assert not digest(store, "voice.wav")
    assert store.info()["n_files"] == 1
    store.clear()
    assert digest(store, file)


def test_a_changed_file_is_noticed(store, file, settled):
    assert digest(store, file)
    before = os.stat(file)
    replacement = file.with_name("new")
    for change in (
        lambda: file.write_bytes(b"more"),
        lambda: file.write_bytes(b"same"),
        lambda: os.replace(replacement, file),
    ):
        replacement.write_bytes(b"full")
        time.sleep(0.02)  # a tick of the file system's clock
        change()
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert digest(store, file)
        assert not digest(store, file)
    assert store.info()["n_files"] == 1


def test_a_file_that_was_just_written_is_not_trusted(store, file):
    assert digest(store, file)
    assert digest(store, file)
    assert store.info()["n_files"] == 0


def test_many_files_are_looked_up_at_once(store, tmp_path, settled):
    paths = [tmp_path / f"{k}.txt" for k in range(1300)]
    for k, path in enumerate(paths):
        path.write_text(str(k))
    asked = []

    def compute(positions):
        asked.extend(positions)
        return [OSError("gone") if k == 7 else b"%d" % k for k in positions]

    files = [(path, os.stat(path)) for path in paths]
    for _ in range(2):
        found = store._file_digests(files, compute)
        assert isinstance(found.pop(7), OSError)
        assert found == [b"%d" % k for k in range(1300) if k != 7]
    assert asked == [*range(1300), 7]


def test_hashes_count_to_the_bound(tmp_path, file, settled):
    store = EmbeddingStore(tmp_path / "store", max_bytes=1)
    assert digest(store, file)
    assert store.info()["n_files"] == 0


def test_paths_are_not_written_down(store, file, settled):
    digest(store, file)
    assert file.stem.encode() not in (Path(store.path) / FILE).read_bytes()
