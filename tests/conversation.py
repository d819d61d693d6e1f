"""Listens to what a page and its script tell each other, to know when all has been answered."""

from __future__ import annotations

import time
from weakref import WeakKeyDictionary

from playwright.sync_api import Page, WebSocket
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg


class Conversation:
    """The questions of one page and the answers to them.

    The page's own mark that its script is not running says nothing of a click whose run has not
    begun yet: that is why a test that looks at the mark alone fails on a slow machine.
    """

    def __init__(self) -> None:
        self._asked_for: str | None = None
        self._answered_by: str | None = None

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing that was asked waits for the end of its run."""
        return self._asked_for is None

    def hear_question(self, payload: str | bytes) -> None:
        """Remember a request to run the script or a fragment, unless the page's clock made it."""
        request = BackMsg.FromString(_binary(payload))
        if request.WhichOneof("type") == "rerun_script" and not request.rerun_script.is_auto_rerun:
            self._asked_for, self._answered_by = request.rerun_script.fragment_id, None

    def hear_answer(self, payload: str | bytes) -> None:
        """Follow the run that was asked for, through those that it makes itself, to its end."""
        told = ForwardMsg.FromString(_binary(payload))
        run, kind = told.metadata.run, told.WhichOneof("type")
        if kind == "new_session" and (not run.fragment_ids or self._asked_for in run.fragment_ids):
            self._answered_by = run.script_run_id
        elif (
            kind == "script_finished"
            and told.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN
        ):
            self._asked_for = None if run.script_run_id == self._answered_by else self._asked_for


_CONVERSATIONS: WeakKeyDictionary[Page, Conversation] = WeakKeyDictionary()


def listen(page: Page) -> None:
    """Follow what this page says from now on."""
    conversation = _CONVERSATIONS.setdefault(page, Conversation())

    def follow(socket: WebSocket) -> None:
        socket.on("framesent", conversation.hear_question)
        socket.on("framereceived", conversation.hear_answer)

    page.on("websocket", follow)


def wait_for_answers(page: Page, seconds: float = 90.0) -> None:
    """Wait until every question of the page is answered; raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not _CONVERSATIONS[page].is_at_rest:
        if time.monotonic() > deadline:
            message = f"the page got no answer within {seconds} s"
            raise TimeoutError(message)
        page.wait_for_timeout(20)


def _binary(payload: str | bytes) -> bytes:
    return payload.encode() if isinstance(payload, str) else payload
