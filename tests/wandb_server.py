"""As much of a W&B server as ``wandb sync`` needs, on this machine: it takes everything and remembers what it was sent."""

from __future__ import annotations

import gzip
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "0" * 40


class Server:
    """Runs while the context is open.

    Attributes:
        url: for ``WANDB_BASE_URL``.
        uploads: content of each file that was sent, by path.
        artifacts: type, name and metadata of each artifact, in the order in which they were made.
        committed: artifacts that are whole.
    """

    def __init__(self) -> None:
        self.uploads: dict[str, bytes] = {}
        self.artifacts: list[dict[str, Any]] = []
        self.committed: list[str] = []
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def __enter__(self) -> Server:
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.http.shutdown()
        self.http.server_close()

    def answer(self, operation: str, given: dict[str, Any]) -> dict[str, Any]:
        """What the server says to one GraphQL operation; nothing to those that ask for what a small server lacks."""
        if operation == "UpsertBucket":
            project = {"id": "p", "name": "easiedge", "entity": {"id": "e", "name": "me"}}
            bucket = {"id": "UnVuOjE=", "name": given["name"], "displayName": "run", "config": "{}", "project": project}
            return {"upsertBucket": {"bucket": bucket, "inserted": True}}
        if operation == "CreateRunFiles":
            files = [{"name": name, "uploadUrl": f"{self.url}/run/{name}"} for name in given["files"]]
            return {"createRunFiles": {"runID": "UnVuOjE=", "uploadHeaders": [], "files": files}}
        if operation == "CreateArtifact":
            self.artifacts.append(given["input"])
            sequence = {"id": "s", "latestArtifact": None}
            made = {"id": f"{len(self.artifacts) - 1}", "state": "PENDING", "artifactSequence": sequence}
            return {"createArtifact": {"artifact": made}}
        if operation == "CreateArtifactManifest":
            file = {
                "id": "f",
                "name": "m",
                "displayName": "m",
                "uploadHeaders": [],
                "uploadUrl": f"{self.url}/manifest",
            }
            return {"createArtifactManifest": {"artifactManifest": {"id": "m", "file": file}}}
        if operation == "CreateArtifactFiles":
            return {
                "createArtifactFiles": {"files": {"edges": [self._place(f) for f in given["input"]["artifactFiles"]]}}
            }
        if operation == "CommitArtifact":
            self.committed.append(self.artifacts[int(given["artifactID"])]["artifactCollectionName"])
            return {"commitArtifact": {"artifact": {"id": given["artifactID"], "digest": "d"}}}
        return {}

    def _place(self, file: dict[str, Any]) -> dict[str, Any]:
        name, artifact = file["name"], file["artifactID"]
        url = f"{self.url}/artifact/{self.artifacts[int(artifact)]['artifactCollectionName']}/{name}"
        node = {
            "id": name,
            "name": name,
            "displayName": name,
            "uploadUrl": url,
            "uploadHeaders": [],
            "storagePath": name,
        }
        return {"node": {**node, "artifact": {"id": artifact}}}


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self._body()
            if not self.path.endswith("graphql"):
                return self._send({})
            request = json.loads(body)
            named = re.search(r"(?:query|mutation)\s+(\w+)", request["query"])
            operation = request.get("operationName") or (named[1] if named else "")
            return self._send({"data": server.answer(operation, request.get("variables") or {})})

        def do_PUT(self) -> None:
            server.uploads[self.path] = self._body()
            self._send({})

        def do_GET(self) -> None:
            self._send({})

        def log_message(self, *about: Any) -> None:
            pass

        def _send(self, answer: dict[str, Any]) -> None:
            text = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") == "chunked":
                parts = []
                while size := int(self.rfile.readline(), 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                body = b"".join(parts)
            else:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    return Handler
