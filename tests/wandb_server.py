"""A real HTTP server that speaks as much of wandb's protocol as a run needs, and has the moods of an outage."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

Mood = Literal["well", "hanging", "failing", "refusing", "slow"]

KEY = "0123456789abcdef" * 2 + "01234567"


def _said(query: dict[str, Any]) -> dict[str, Any]:
    """The data of the answer to a GraphQL query; the run keeps the name that wandb gave it."""
    if "UpsertBucket" in query["query"]:
        project = {"id": "p", "name": "p", "entity": {"id": "e", "name": "e"}}
        bucket = {"id": "b", "name": query["variables"]["name"], "config": "{}", "project": project}
        return {"upsertBucket": {"bucket": {**bucket, "displayName": "b", "historyLineCount": 0}, "inserted": True}}
    if "ServerFeaturesQuery" in query["query"]:
        return {"serverInfo": {"features": []}}
    if "CreateRunFiles" in query["query"]:
        return {"createRunFiles": {"runID": "b", "uploadHeaders": [], "files": []}}
    return {}


@dataclass
class Server:
    """What the server does with a request, and what it was sent. ``mood`` may be changed at any time."""

    url: str = ""
    mood: Mood = "well"
    sent: list[bytes] = field(default_factory=list)


@contextmanager
def serving(mood: Mood = "well") -> Iterator[Server]:
    """Serve until the context ends; whoever still waits for an answer is left alone."""
    state, over = Server(mood=mood), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            state.sent.append(body)
            if state.mood == "hanging":
                over.wait()
                self.close_connection = True
                return
            if state.mood == "slow":
                time.sleep(1)
            status = {"failing": 500, "refusing": 403}.get(state.mood, 200)
            found = {"data": _said(json.loads(body))} if status == 200 and "graphql" in self.path else {}
            data = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = answer

        def log_message(self, *_: Any) -> None:
            """Nothing on the screen."""

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """Whoever asked has gone."""

    server = Quiet(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield state
    finally:
        over.set()
        server.shutdown()
        server.server_close()
