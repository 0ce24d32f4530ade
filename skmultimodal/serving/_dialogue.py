"""A page to talk with a pipeline, served by the standard library."""

from __future__ import annotations

import threading
from numbers import Integral
from typing import Any

from sklearn.utils._param_validation import Interval, validate_parameter_constraints

from skmultimodal.heads._replies import dialogue_parts, reply
from skmultimodal.serving._fields import BadRequest, Fields
from skmultimodal.serving._http import listen

_CONSTRAINTS = {
    "title": [str],
    "host": [str],
    "port": [Interval(Integral, 0, 65535, closed="both")],
    "max_bytes": [Interval(Integral, 1, None, closed="left")],
}


class DialogueServer:
    """A page in the browser to talk with a fitted pipeline.

    The page asks for a turn, and for a cell of each other raw column: pictures, sounds
    and videos as files, numbers, dates and texts as such, categories from a list. What
    is left empty is missing. The conversation is kept by the page; the server keeps
    nothing (an encoder with a `store=` keeps embeddings of what was sent).

    Parameters
    ----------
    pipeline : Pipeline
        Fitted, as :func:`~skmultimodal.heads.reply` takes it.
    roles : tuple of (str, str), default=("user", "model")
        Whose turns are those of the person, and whose those of the pipeline, as in the
        dialogues of `fit`.
    title : str, default="Dialogue"
        Heading of the page.
    host : str, default="127.0.0.1"
        Address (IPv4) or name to listen on. The default is heard on this machine alone.
        The server knows no passwords: let others in through a proxy that does.
    port : int, default=8000
        Port to listen on; 0 takes a free one.
    max_bytes : int, default=33554432
        Largest request in bytes (the files and the history).

    Attributes
    ----------
    url : str
        Address of the page.

    Raises
    ------
    TypeError
        If `pipeline` is none that `reply` takes.
    ValueError
        If the dialogues of `fit` had other roles.
    OSError
        If the port is taken, or the host unknown.

    See Also
    --------
    skmultimodal.heads.reply : The same from Python.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.pipeline import Pipeline
    >>> from skmultimodal.compose import ModalityTransformer
    >>> from skmultimodal.encoders import DialogueHistoryEncoder
    >>> from skmultimodal.heads import FusionGenerator
    >>> from skmultimodal.serving import DialogueServer
    >>> X = pd.DataFrame({"talk": [[("user", "ping")], [("user", "tick")]] * 50})
    >>> encode = ModalityTransformer([("talk", DialogueHistoryEncoder(), "talk")])
    >>> head = FusionGenerator(random_state=0)
    >>> model = Pipeline([("encode", encode), ("head", head)])
    >>> _ = model.fit(X, ["pong", "tock"] * 50)
    >>> with DialogueServer(model, port=0) as server:
    ...     print(server.url.rsplit(":", 1)[0])
    http://127.0.0.1

    In a script, ``DialogueServer(model).serve_forever()`` serves until Ctrl-C.
    """

    def __init__(
        self,
        pipeline: Any,
        *,
        roles: Any = ("user", "model"),
        title: str = "Dialogue",
        host: str = "127.0.0.1",
        port: int = 8000,
        max_bytes: int = 2**25,
    ):
        given = {"title": title, "host": host, "port": port, "max_bytes": max_bytes}
        validate_parameter_constraints(
            _CONSTRAINTS, given, caller_name="DialogueServer"
        )
        self._talk = Talk(pipeline, roles, title)
        self._server = listen(host, port, self._talk, max_bytes)
        self.url = f"http://{host or '0.0.0.0'}:{self._server.server_port}"
        self._thread: threading.Thread | None = None

    def serve_forever(self) -> None:
        """Serve until Ctrl-C, or until `close` is called from another thread.

        Raises
        ------
        RuntimeError
            If it was closed.
        """
        thread = self._started()
        try:
            print(f"{self._talk.title}: {self.url} (Ctrl-C ends it)", flush=True)
            while thread.is_alive():
                thread.join(0.5)  # Windows hears Ctrl-C between two waits only
        except KeyboardInterrupt:
            print()
        finally:
            self.close()

    def start(self) -> DialogueServer:
        """Serve from a thread of its own, and come back at once.

        Returns
        -------
        self : DialogueServer

        Raises
        ------
        RuntimeError
            If it was closed.
        """
        self._started()
        return self

    def close(self) -> None:
        """Stop, and free the port."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._server.shutdown()
            thread.join()
        self._server.server_close()

    def _started(self) -> threading.Thread:
        if self._server.fileno() < 0:
            raise RuntimeError("This DialogueServer is closed. Make another.")
        thread = self._thread
        if thread is None:
            serve = self._server.serve_forever
            self._thread = thread = threading.Thread(target=serve, daemon=True)
            thread.start()
        return thread  # another may have called close meanwhile

    def __enter__(self) -> DialogueServer:
        return self.start()

    def __exit__(self, *_: Any) -> None:
        self.close()


class Talk:
    """What the page may ask of the pipeline; one question at a time."""

    def __init__(self, pipeline: Any, roles: Any, title: str):
        encode, encoder, name = dialogue_parts(pipeline, "DialogueServer")
        self.pipeline, self.title = pipeline, title
        self.roles = _checked_roles(roles, encoder.roles_)
        self.fields = Fields.of(encode, name)
        self._lock = threading.Lock()

    def about(self) -> dict[str, Any]:
        return {
            "title": self.title,
            "roles": self.roles,
            "fields": self.fields.described(),
            "left_out": self.fields.left_out,
        }

    def answer(self, sent: Any) -> str:
        if not isinstance(sent, dict) or set(sent) != {"history", "cells"}:
            raise BadRequest("A request holds history and cells.")
        turns, cells = _turns(sent["history"]), self.fields.cells(sent["cells"])
        with self._lock:
            return reply(self.pipeline, turns, **cells)


def _checked_roles(roles: Any, known: list[str]) -> list[str]:
    if (
        not isinstance(roles, (list, tuple))
        or len(roles) != 2
        or not all(isinstance(role, str) for role in roles)
    ):
        raise ValueError(
            f"roles={roles!r} must be two strings: that of the person, that of the "
            "pipeline."
        )
    person, model = roles
    odd = [role for role in roles if known and role not in known]
    if odd == [model] and known == [person]:
        odd = []  # of dialogues of one turn only one person's is known
    if odd:
        raise ValueError(
            f"roles={roles!r}: no dialogue of fit had the role {odd[0]!r}; there were "
            f"{known}."
        )
    return list(roles)


def _turns(history: Any) -> list[tuple[str, str]]:
    def is_turn(turn: Any) -> bool:
        return (
            isinstance(turn, list)
            and len(turn) == 2
            and all(isinstance(part, str) for part in turn)
        )

    if not isinstance(history, list) or not all(map(is_turn, history)):
        raise BadRequest("history must be a list of [role, text].")
    return [(role, text) for role, text in history]
