"""A local hub that speaks the protocol of huggingface_hub: revisions, pages of files, redirects to a store of blobs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from aiohttp import web
from doubles.endpoint import serve
from huggingface_hub import constants

Files = dict[str, bytes]


@dataclass
class Hub:
    """Repositories with their branches and commits.

    Attributes:
        gated: Repositories whose files nobody may read.
        renamed: Old name → new name.
        cuts: How many of the next downloads break after half of their bytes.
        wrong: Whether the store sends other bytes than those listed.
        asked: Method and path of each request, with its range if it has one.
        keys: The Authorization header of each request to the store.
    """

    branches: dict[str, dict[str, str]] = field(default_factory=dict)
    commits: dict[str, Files] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    renamed: dict[str, str] = field(default_factory=dict)
    cuts: int = 0
    wrong: bool = False
    asked: list[str] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    url: str = ""
    store: str = ""

    def push(self, name: str, branch: str, *folders: Path, **placed: Path) -> str:
        """Commit the files of folders to a branch, those of `placed` below a subfolder; return the commit."""
        files = {file.name: file.read_bytes() for folder in folders for file in folder.iterdir()}
        files |= {
            f"{sub}/{file.name}": file.read_bytes() for sub, folder in placed.items() for file in folder.iterdir()
        }
        return self.commit(name, branch, files)

    def commit(self, name: str, branch: str, files: Files) -> str:
        listed = "".join(f"{path} {_sha1(content)}\n" for path, content in sorted(files.items()))
        commit = hashlib.sha1(f"{name}\n{listed}".encode()).hexdigest()
        self.commits[commit] = files
        self.branches.setdefault(name, {})[branch] = commit
        return commit

    def downloads(self) -> list[str]:
        """The files and ranges that were read, small files and blobs."""
        return [each.removeprefix("GET ") for each in self.asked if each.startswith(("GET blob", "GET file"))]


@contextmanager
def local_hub(patch: pytest.MonkeyPatch, cache: Path) -> Iterator[Hub]:
    """Serve an empty hub on a port of this machine, and its store of blobs on another; clients are led there.

    Args:
        patch: Leads the clients of this process, and those of its children.
        cache: The folder of the clients' files.
    """
    hub = Hub()
    site, store = web.Application(), web.Application()
    api = "/api/models/{owner}/{name}"
    site.router.add_get(f"{api}/refs", partial(_refs, hub))
    site.router.add_get(api, partial(_info, hub))
    site.router.add_get(f"{api}/auth-check", partial(_auth, hub))
    site.router.add_get(f"{api}/revision/{{revision}}", partial(_info, hub))
    site.router.add_get(f"{api}/tree/{{revision}}{{path:.*}}", partial(_tree, hub))
    site.router.add_get("/{owner}/{name}/resolve/{revision}/{path:.+}", partial(_resolve, hub))
    store.router.add_get("/{commit}/{path:.+}", partial(_blob, hub))
    with serve(site) as hub.url, serve(store) as hub.store:
        template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, hub.url)
        patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        patch.setattr(constants, "ENDPOINT", hub.url)
        patch.setattr(constants, "HF_HUB_CACHE", str(cache))
        patch.setenv("HF_ENDPOINT", hub.url)
        patch.setenv("HF_HUB_CACHE", str(cache))
        yield hub


async def _refs(hub: Hub, request: web.Request) -> web.Response:
    if error := _refused(hub, request):
        return error
    branches = hub.branches[_name(request)]
    refs = [{"name": name, "ref": f"refs/heads/{name}", "targetCommit": commit} for name, commit in branches.items()]
    return web.json_response({"branches": refs, "converts": [], "tags": []})


async def _info(hub: Hub, request: web.Request) -> web.Response:
    if error := _refused(hub, request):
        return error
    return web.json_response({"id": _name(request), "sha": _commit(hub, request), "siblings": []})


async def _auth(hub: Hub, request: web.Request) -> web.Response:
    return _refused(hub, request) or (_gate() if _name(request) in hub.gated else web.json_response({}))


async def _tree(hub: Hub, request: web.Request) -> web.Response:
    if error := _refused(hub, request):
        return error
    folder, recursive = request.match_info["path"].strip("/"), request.query["recursive"].lower() == "true"
    files = hub.commits[_commit(hub, request)]
    below = {path: content for path, content in files.items() if not folder or path.startswith(f"{folder}/")}
    if not below:
        return _error(404, "EntryNotFound")
    entries = {}
    for path, content in sorted(below.items()):
        first, *rest = path.removeprefix(f"{folder}/" if folder else "").split("/")
        if rest and not recursive:
            parent = f"{folder}/{first}".strip("/")
            entries[parent] = {"type": "directory", "path": parent, "oid": _sha1(parent.encode())}
        else:
            entries[path] = {"type": "file", "path": path, "size": len(content), "oid": _sha1(content)} | _lfs(content)
    start, most = int(request.query.get("cursor", 0)), 3
    page = list(entries.values())[start : start + most]
    link = request.url.update_query(cursor=start + most)
    return web.json_response(page, headers={"Link": f'<{link}>; rel="next"'} if start + most < len(entries) else {})


async def _resolve(hub: Hub, request: web.Request) -> web.StreamResponse:
    if error := _refused(hub, request):
        return error
    if _name(request) in hub.gated:
        return _gate()
    commit, path = _commit(hub, request), request.match_info["path"]
    content = hub.commits[commit].get(path)
    if content is None:
        return _error(404, "EntryNotFound")
    headers = {"X-Repo-Commit": commit, "ETag": f'"{_sha1(content)}"'}
    if lfs := _lfs(content):
        linked = {"X-Linked-Etag": f'"{lfs["lfs"]["oid"]}"', "X-Linked-Size": str(len(content))}
        return web.Response(status=302, headers=headers | linked | {"Location": f"{hub.store}/{commit}/{path}"})
    if request.method == "GET":
        hub.asked.append(f"GET file {path}")
    return web.Response(body=content, headers=headers)


async def _blob(hub: Hub, request: web.Request) -> web.StreamResponse:
    content, asked = hub.commits[request.match_info["commit"]][request.match_info["path"]], request.headers.get("Range")
    start = int(asked.removeprefix("bytes=").split("-")[0]) if asked else 0
    hub.keys.append(request.headers.get("Authorization"))
    hub.asked.append(f"{request.method} blob {request.match_info['path']}" + (f" from {start}" if start else ""))
    sent = (bytes(len(content)) if hub.wrong else content)[start:]
    response = web.StreamResponse(status=206 if asked else 200, headers={"Content-Length": str(len(sent))})
    if asked:
        response.headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
    await response.prepare(request)
    if hub.cuts:
        hub.cuts -= 1
        await response.write(sent[: len(sent) // 2])
        request.transport.close()
        return response
    await response.write(sent)
    return response


def _refused(hub: Hub, request: web.Request) -> web.Response | None:
    """Return the answer to a request for a repository or a revision that isn't there, or that has another name now."""
    name = _name(request)
    if moved := hub.renamed.get(name):
        return web.Response(status=307, headers={"Location": request.path_qs.replace(name, moved, 1)})
    if name not in hub.branches:
        return _error(401, "RepoNotFound")
    return None if _commit(hub, request) in hub.commits else _error(404, "RevisionNotFound")


def _name(request: web.Request) -> str:
    return f"{request.match_info['owner']}/{request.match_info['name']}"


def _commit(hub: Hub, request: web.Request) -> str | None:
    branches, revision = hub.branches[_name(request)], request.match_info.get("revision", "main")
    if "revision" not in request.match_info and revision not in branches:
        return next(iter(branches.values()))
    return branches.get(revision, revision)


def _gate() -> web.Response:
    return _error(403, "GatedRepo")


def _error(status: int, code: str) -> web.Response:
    return web.json_response({"error": code}, status=status, headers={"X-Error-Code": code})


def _lfs(content: bytes) -> dict[str, dict[str, object]]:
    """The entry of a large file, here of more than 20 kB, whose bytes are in the store."""
    if len(content) < 20_000:
        return {}
    return {"lfs": {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}}


def _sha1(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
