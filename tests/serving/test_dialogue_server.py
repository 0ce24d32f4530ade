"""A page to talk with a pipeline: what it sends and what it refuses."""

import base64
import http.client
import json
import pickle
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skmultimodal.heads import reply
from skmultimodal.serving import DialogueServer


@pytest.fixture(scope="module")
def server(model):
    with DialogueServer(model, port=0, title="Shapes", max_bytes=20_000) as server:
        yield server


def send(server, path, content=None, **headers):
    """Status, headers and body of the answer."""
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"))
    try:
        if content is None:
            connection.request("GET", path, headers=headers)
        else:
            if not isinstance(content, bytes):
                content = json.dumps(content).encode()
            headers = {"Content-Type": "application/json"} | headers
            connection.request("POST", path, content, headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def ask(server, history, **cells):
    status, _, body = send(server, "/reply", {"history": history, "cells": cells})
    return status, json.loads(body)


def test_the_page_and_what_it_loads(server):
    for path, kind in [
        ("/", "text/html"),
        ("/talk.js", "text/javascript"),
        ("/style.css", "text/css"),
    ]:
        status, headers, body = send(server, path)
        assert status == 200
        assert headers.get_content_type() == kind
        assert "default-src 'self'" in headers["Content-Security-Policy"]
        assert len(body) > 300
        assert b"http" not in body.replace(b"http-equiv", b"")  # nothing from elsewhere
        assert b'"/' not in body  # a proxy may put it under a path of its own


def test_the_page_is_told_what_to_ask_for(server):
    _, _, body = send(server, "/about")
    about = json.loads(body)
    assert about["title"] == "Shapes"
    assert about["roles"] == ["user", "model"]
    assert about["left_out"] == []
    assert about["fields"] == [
        {"name": "side", "kind": "choice", "choices": ["left", "right"]},
        {"name": "image", "kind": "image", "choices": []},
    ]


def test_replies_are_those_of_reply(server, model, pictures):
    told = [["user", "call it bob"], ["model", "ok"]]
    image = {"base64": base64.b64encode(pictures["blue"]).decode()}
    for question in ("which colour", "which name", "which side"):
        history = [*told, ["user", question]]
        status, found = ask(server, history, image=image, side="left")
        assert status == 200
        cells = {"image": pictures["blue"], "side": "left"}
        turns = [tuple(turn) for turn in history]
        assert found == {"reply": reply(model, turns, **cells)}
    assert found == {"reply": "left"}


def test_many_at_once_get_their_own_replies(server):
    wanted = {name: name for name in ("ann", "bob", "cleo")}
    found = {}

    def talk(name):
        told = [["user", f"call it {name}"], ["model", "ok"], ["user", "which name"]]
        found[name] = ask(server, told)[1].get("reply")

    threads = [threading.Thread(target=talk, args=(name,)) for name in wanted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == wanted


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "no JSON"),
        (b"\xff\xfe", "utf-?8|UTF-?8|JSON"),
        (b"[" * 15_000, "no JSON"),
        (b"1" * 15_000, "no JSON"),
        ([], "holds history and cells"),
        ({"history": []}, "holds history and cells"),
        ({"history": "hello", "cells": {}}, "list of"),
        ({"history": [["user"]], "cells": {}}, "list of"),
        ({"history": [["user", 3]], "cells": {}}, "list of"),
        ({"history": [], "cells": {"image": "/etc/passwd"}}, "no content of a file"),
        ({"history": [], "cells": {"image": {"base64": "aGk="}}}, "image"),
    ],
)
def test_what_cannot_be_read_is_said(server, content, message):
    status, _, body = send(server, "/reply", content)
    assert status == 400
    assert re.search(message, json.loads(body)["error"])


def test_other_paths_kinds_and_sizes(server):
    good = {"history": [["user", "which side"]], "cells": {"side": "left"}}
    assert send(server, "/nothing")[0] == 404
    assert send(server, "/../pyproject.toml")[0] == 404
    assert send(server, "/about", good)[0] == 404
    assert send(server, "/reply", good, **{"Content-Type": "text/plain"})[0] == 415
    assert send(server, "/reply", good, **{"Content-Length": "many"})[0] == 411
    assert send(server, "/reply", good, **{"Content-Length": "-1"})[0] == 411
    status, _, body = send(server, "/reply", good | {"more": "x" * 20_000})
    assert status == 413
    assert "too large" in json.loads(body)["error"]


def test_a_site_that_points_its_name_here_is_refused(server):
    """DNS rebinding."""
    assert send(server, "/about", Host="evil.example:80")[0] == 403
    good = {"history": [], "cells": {}}
    assert send(server, "/reply", good, Host="evil.example")[0] == 403
    for host in ("localhost.evil.example", "evil.example:localhost", ""):
        assert send(server, "/about", Host=host)[0] == 403


def test_a_tunnel_may_have_another_port(server):
    port = server.url.rpartition(":")[2]
    for host in (f"localhost:{port}", "localhost:9000", "127.0.0.1", "LOCALHOST"):
        assert send(server, "/about", Host=host)[0] == 200


@pytest.mark.parametrize("host", ["LOCALHOST", "127.1"])
def test_this_machine_by_another_name_is_guarded_too(model, host):
    with DialogueServer(model, host=host, port=0) as server:
        assert send(server, "/about")[0] == 200
        assert send(server, "/about", Host="evil.example")[0] == 403


def raw_post(server, length, content):
    """What comes back of a request that says this length of its content."""
    host, port = server.url.removeprefix("http://").split(":")
    head = (
        f"POST /reply HTTP/1.0\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {length}\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(head.encode() + content)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(4096), b""))


def test_whoever_sends_too_much_hears_so(server, capsys):
    """And is not cut off while sending."""
    much = 8_000_000
    assert b" 413 " in raw_post(server, much, b"x" * much)
    assert b" 413 " in raw_post(server, "1" * 5000, b"x")  # no integer of Python
    assert not capsys.readouterr().err


def test_a_page_that_was_closed_is_no_error(model, monkeypatch, capsys):
    asked, gone = threading.Event(), threading.Event()

    def slow(*_, **__):
        asked.set()
        gone.wait(20)
        return "ok"

    monkeypatch.setattr("skmultimodal.serving._dialogue.reply", slow)
    content = json.dumps({"history": [["user", "hi"]], "cells": {}})
    with DialogueServer(model, port=0) as server:
        finished = threading.Event()
        done = server._server.shutdown_request
        monkeypatch.setattr(
            server._server, "shutdown_request", lambda r: (done(r), finished.set())
        )
        where = server.url.removeprefix("http://")
        connection = http.client.HTTPConnection(where)
        json_type = {"Content-Type": "application/json"}
        connection.request("POST", "/reply", content, json_type)
        assert asked.wait(20)
        reset = struct.pack("ii", 1, 0)
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        connection.close()
        gone.set()
        assert finished.wait(20)
    assert not capsys.readouterr().err


def test_what_breaks_inside_is_an_error_of_the_server(model, monkeypatch, capsys):
    def broken(*_, **__):
        raise RuntimeError("out of memory")

    monkeypatch.setattr("skmultimodal.serving._dialogue.reply", broken)
    with DialogueServer(model, port=0) as server:
        status, found = ask(server, [["user", "which side"]])
    assert status == 500
    assert found["error"].startswith("RuntimeError: out of memory")
    assert "Traceback" in capsys.readouterr().err


def test_serve_forever_until_it_is_closed(model, capsys):
    server = DialogueServer(model, port=0)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    while send(server, "/about")[0] != 200:
        time.sleep(0.01)
    server.close()
    thread.join(timeout=10)
    assert not thread.is_alive()
    assert server.url in capsys.readouterr().out


def test_closing_what_was_not_started(model):
    server = DialogueServer(model, port=0)
    server.close()
    server.close()


def test_what_is_closed_does_not_start_again(model, capsys):
    with DialogueServer(model, port=0) as server:
        pass
    for start in (server.start, server.serve_forever):
        with pytest.raises(RuntimeError, match="is closed"):
            start()
    assert not capsys.readouterr().out
    port = int(server.url.rpartition(":")[2])
    with DialogueServer(model, port=port) as other:  # at once
        assert send(other, "/about")[0] == 200


def test_serve_forever_of_what_was_started(model):
    """As ``with server: server.serve_forever()`` does."""
    with DialogueServer(model, port=0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        assert send(server, "/about")[0] == 200
    thread.join(timeout=10)
    assert not thread.is_alive()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to send")
def test_ctrl_c_ends_it(model, tmp_path):
    path = tmp_path / "model.pickle"
    path.write_bytes(pickle.dumps(model))
    script = (
        "import pathlib, pickle, sys\n"
        "from skmultimodal.serving import DialogueServer\n"
        "model = pickle.loads(pathlib.Path(sys.argv[1]).read_bytes())\n"
        "DialogueServer(model, port=0).serve_forever()\n"
        "print('after it')\n"
    )
    running = subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True
    )
    with running:
        assert "Ctrl-C ends it" in running.stdout.readline()
        running.send_signal(signal.SIGINT)
        said, _ = running.communicate(timeout=60)
    assert running.returncode == 0
    assert "after it" in said


def test_a_search_will_do(model):
    class Search:
        best_estimator_ = model

    with DialogueServer(Search(), port=0) as server:
        status, _ = ask(server, [["user", "which side"]], side="right")
    assert status == 200


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"roles": ("you", "model")}, r"no dialogue of fit had the role 'you'"),
        (
            {"roles": ("user", "me")},
            r"had the role 'me'; there were \['model', 'user'\]",
        ),
        ({"roles": "user"}, "must be two strings"),
        ({"roles": ("user", "model", "other")}, "must be two strings"),
        ({"roles": None}, "must be two strings"),
        ({"port": -1}, "'port' parameter of DialogueServer"),
        ({"port": "8000"}, "'port' parameter"),
        ({"max_bytes": 0}, "'max_bytes' parameter"),
        ({"title": None}, "'title' parameter"),
    ],
)
def test_parameters(model, params, message):
    with pytest.raises(ValueError, match=message):
        DialogueServer(model, **{"port": 0} | params)


def test_a_port_that_is_taken_and_an_odd_host(model, server):
    port = int(server.url.rpartition(":")[2])
    with pytest.raises(OSError, match=f"listen on 127.0.0.1:{port} .*free one"):
        DialogueServer(model, port=port)
    with pytest.raises(OSError, match=r"cannot listen on ::1:0 .*IPv4"):
        DialogueServer(model, host="::1", port=0)


def test_what_is_no_dialogue_model(model):
    other = make_pipeline(LogisticRegression()).fit(np.eye(2), [0, 1])
    with pytest.raises(TypeError, match="DialogueServer takes a fitted Pipeline"):
        DialogueServer(other, port=0)
    headless = model[1:]
    with pytest.raises(ValueError, match="DialogueServer needs a column of dialogues"):
        DialogueServer(headless, port=0)
