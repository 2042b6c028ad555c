# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Endpoints under /v1/files."""

from __future__ import annotations

import re
from typing import Any

from .cluster import Cluster
from .http_server import Stream
from .messages import Answer, ApiError, Json, Request, answer
from .model import Inode
from .router import Router, flag, next_uri, number
from .timestamps import parse_ns

DEFAULT_PAGE = 1000
READ_LIMIT = 64 << 20


def register(router: Router) -> None:
    """Add the endpoints of this file."""
    route = router.route
    route("GET /v1/files/{ref}/info/attributes")(get_attributes)
    route("PATCH /v1/files/{ref}/info/attributes")(set_attributes)
    route("GET /v1/files/{ref}/entries/")(read_directory)
    route("POST /v1/files/{ref}/entries/")(create_entry)
    route("DELETE /v1/files/{ref}/entries/{name}")(unlink)
    route("DELETE /v1/files/{ref}")(delete)
    route("GET /v1/files/{ref}/data")(read_data)
    route("PUT /v1/files/{ref}/data")(write_data)
    route("PATCH /v1/files/{ref}/data")(write_data)
    route("GET /v1/files/{ref}/recursive-aggregates/")(aggregates)
    route("GET /v1/files/{ref}/aggregates/")(aggregates)
    route("PATCH /v1/files/{ref}/file-lock", "PRIVILEGE_FS_FILE_LOCK_WRITE")(lock_file)
    route("GET /v1/files/{ref}/notify")(notify)
    route("POST /v1/files/resolve")(resolve)
    route("POST /v1/tree-delete/jobs/", "PRIVILEGE_FS_DELETE_TREE_WRITE")(delete_tree)
    route("GET /v1/file-system", "PRIVILEGE_FS_ATTRIBUTES_READ")(space)


def _etag(inode: Inode) -> str:
    return f'"{inode.id}-{inode.revision}"'


def _attributes(cluster: Cluster, inode: Inode, *, lock: bool = False) -> Answer:
    return answer(cluster.fs.render(inode, lock=lock), etag=_etag(inode))


def get_attributes(cluster: Cluster, request: Request) -> Answer:
    """Attributes, now or in a snapshot; with the lock if asked."""
    ref, fs = request.wild[0], cluster.fs
    with_lock = flag(request, "retrieve-file-lock")
    snapshot = number(request, "snapshot")
    inode = fs.resolve(ref, snapshot=snapshot)
    if with_lock:
        cluster.may_read(request, inode)  # the vendor asks for READ_ACL
    body = fs.attributes(ref, snapshot=snapshot, lock=with_lock)
    return answer(body, etag=_etag(inode))


def set_attributes(cluster: Cluster, request: Request) -> Answer:
    """Set what is given."""
    inode = cluster.fs.resolve(request.wild[0])
    cluster.may_write(request, inode)
    cluster.check_etag(request, _etag(inode))
    body = request.object()
    values: dict[str, Any] = {}
    try:
        if body.get("mode") is not None:
            values["mode"] = int(body["mode"], 8)
        for name in ("owner", "group"):
            if body.get(name) is not None:
                values[name] = int(body[name])
            elif body.get(f"{name}_details"):
                values[name] = _auth_id(cluster, body[f"{name}_details"])
        if body.get("size") is not None:
            values["size"] = int(body["size"])
        for name in ("access_time", "modification_time", "change_time", "creation_time"):
            if body.get(name) is not None:
                values[name] = parse_ns(body[name])
    except (TypeError, ValueError) as error:
        raise ApiError(400, f"an attribute makes no sense: {error}") from error
    if body.get("extended_attributes"):
        values["extended_attributes"] = body["extended_attributes"]
    path = cluster.fs.path_of(inode.id)
    inode = cluster.fs.set_attributes(inode.id, **values)
    cluster.note_audit(request, "fs_write_metadata", inode, path)
    return _attributes(cluster, inode)


def _auth_id(cluster: Cluster, details: Json) -> int:
    keys = {
        "LOCAL_USER": "name",
        "LOCAL_GROUP": "name",
        "NFS_UID": "uid",
        "NFS_GID": "gid",
        "SMB_SID": "sid",
    }
    key = keys.get(details.get("id_type"))
    if key is None:
        raise ApiError(400, f"{details} names no identity")
    return cluster.identities.find({key: details.get("id_value")}).auth_id


def read_directory(cluster: Cluster, request: Request) -> Answer:
    """A page of a directory."""
    fs, query = cluster.fs, request.query
    snapshot = number(request, "snapshot")
    limit = number(request, "limit")
    inode = fs.resolve(request.wild[0], snapshot=snapshot)
    cluster.may_read(request, inode)
    page = fs.entries(
        request.wild[0] if snapshot is None else inode.id,
        after=query.get("after", ""),
        limit=min(limit if limit is not None else DEFAULT_PAGE, cluster.page_caps["entries"]),
        snapshot=snapshot,
        smb_pattern=query.get("smb-pattern"),
    )
    path = fs.path_of(inode.id, snapshot=snapshot)
    if snapshot is None and not flag(request, "skip-atime-update"):
        cluster.touch_atime(inode)
    cluster.note_audit(request, "fs_list_directory", inode, path)
    return answer(
        {
            "path": path if path == "/" else path + "/",
            "id": str(inode.id),
            "child_count": inode.size,
            "files": page.items,
            "paging": {"next": next_uri(request, page.next) if page.next else ""},
        }
    )


def create_entry(cluster: Cluster, request: Request) -> Answer:
    """Create, link or rename in a directory."""
    fs, body = cluster.fs, request.object()
    parent = fs.resolve(request.wild[0])
    cluster.may_write(request, parent)
    action, name = body.get("action"), body.get("name")
    if not isinstance(name, str):
        raise ApiError(400, "name is missing")
    path = fs.path_of(parent.id).rstrip("/") + "/" + name
    if action == "RENAME":
        source = str(body.get("old_path"))
        before = fs.path_of(source)
        inode = fs.rename(source, parent.id, name, clobber=bool(body.get("clobber")))
        cluster.note_audit(request, "fs_rename", inode, before, path)
        return _attributes(cluster, inode)
    own = {"owner": request.user.auth_id}
    if action == "CREATE_FILE":
        inode = fs.create_file(parent.id, name, **own)
        operation = "fs_create_file"
    elif action == "CREATE_DIRECTORY":
        inode = fs.create_directory(parent.id, name, **own)
        operation = "fs_create_directory"
    elif action == "CREATE_SYMLINK":
        kind = body.get("symlink_target_type") or "FS_FILE_TYPE_UNKNOWN"
        target = str(body.get("old_path"))
        inode = fs.create_symlink(parent.id, name, target, target_type=kind, **own)
        operation = "fs_create_symlink"
    elif action == "CREATE_LINK":
        inode = fs.create_link(parent.id, name, str(body.get("old_path")))
        operation = "fs_create_hard_link"
    elif action == "CREATE_UNIX_FILE":
        device = body.get("major_minor_numbers") or {}
        inode = fs.create_unix_file(
            parent.id,
            name,
            str(body.get("unix_file_type")),
            major=int(device.get("major", 0)),
            minor=int(device.get("minor", 0)),
            **own,
        )
        operation = "fs_create_unix_file"
    else:
        raise ApiError(400, f"{action!r} is no action")
    cluster.note_audit(request, operation, inode, path)
    return _attributes(cluster, inode)


def unlink(cluster: Cluster, request: Request) -> Answer:
    """Remove one name of a directory."""
    parent = cluster.fs.resolve(request.wild[0])
    path = cluster.fs.path_of(parent.id).rstrip("/") + "/" + request.wild[1]
    return _remove(cluster, request, path)


def delete(cluster: Cluster, request: Request) -> Answer:
    """Remove a file or an empty directory."""
    return _remove(cluster, request, request.wild[0])


def _remove(cluster: Cluster, request: Request, ref: str) -> Answer:
    inode = cluster.fs.resolve(ref)
    if inode.parent is not None:
        cluster.may_write(request, inode.parent)
    path = cluster.fs.path_of(ref)
    cluster.fs.remove(ref)
    cluster.note_audit(request, "fs_delete", inode, path)
    return answer(None)


def read_data(cluster: Cluster, request: Request) -> Answer:
    """Content of a file, or where a symlink points."""
    fs = cluster.fs
    snapshot = number(request, "snapshot")
    inode = fs.resolve(request.wild[0], snapshot=snapshot)
    cluster.may_read(request, inode)
    path = fs.path_of(inode.id, snapshot=snapshot)
    if isinstance(inode.content, str):
        body = inode.content.encode("utf-8", "surrogatepass")
        operation = "fs_read_link"
    else:
        offset, length = number(request, "offset") or 0, number(request, "length")
        if (length is None and inode.size - offset > READ_LIMIT) or (length or 0) > READ_LIMIT:
            raise ApiError(400, f"read at most {READ_LIMIT} bytes at a time")
        body = fs.read(inode.id, offset=offset, length=length, snapshot=snapshot)
        operation = "fs_read_data"
    if snapshot is None and not flag(request, "skip-atime-update"):
        cluster.touch_atime(inode)
    cluster.note_audit(request, operation, inode, path)
    return Answer(200, body, content_type="application/octet-stream")


def write_data(cluster: Cluster, request: Request) -> Answer:
    """Replace the content (PUT) or write at an offset (PATCH)."""
    inode = cluster.fs.resolve(request.wild[0])
    cluster.may_write(request, inode)
    cluster.check_etag(request, _etag(inode))
    path = cluster.fs.path_of(inode.id)
    if request.method == "PUT":
        inode = cluster.fs.replace(inode.id, request.body)
    else:
        inode = cluster.fs.write(inode.id, number(request, "offset") or 0, request.body)
    cluster.note_audit(request, "fs_write_data", inode, path)
    return _attributes(cluster, inode)


def aggregates(cluster: Cluster, request: Request) -> Answer:
    """Totals of a directory."""
    limits = {
        key: value
        for key, value in (
            ("max_entries", number(request, "max-entries")),
            ("max_depth", number(request, "max-depth")),
        )
        if value is not None
    }
    found = cluster.fs.aggregates(
        request.wild[0],
        order_by=request.query.get("order-by", "total_blocks"),
        snapshot=number(request, "snapshot"),
        **limits,
    )
    recursive = "recursive-aggregates" in request.segments
    return answer(found if recursive else found[0])


def lock_file(cluster: Cluster, request: Request) -> Answer:
    """Set a retention period and/or a legal hold."""
    inode = cluster.fs.resolve(request.wild[0])
    cluster.check_etag(request, _etag(inode))
    body = request.object()
    retention = body.get("retention_period")
    hold = body.get("legal_hold")
    if retention is None and hold is None:
        raise ApiError(400, "retention_period or legal_hold must be given")
    if hold is not None and not isinstance(hold, bool):
        raise ApiError(400, "legal_hold is true or false")
    try:
        retention_ns = None if retention is None else parse_ns(retention)
    except ValueError as error:
        raise ApiError(400, f"retention_period makes no sense: {error}") from error
    path = cluster.fs.path_of(inode.id)
    inode = cluster.fs.lock_file(inode.id, retention_ns=retention_ns, legal_hold=hold)
    cluster.note_audit(request, "fs_write_metadata", inode, path)
    return _attributes(cluster, inode, lock=True)


def notify(cluster: Cluster, request: Request) -> Stream:
    """A stream of change notifications."""
    inode = cluster.fs.resolve(request.wild[0])
    if not inode.is_directory:
        raise ApiError(400, f"{request.wild[0]} is not a directory", "fs_not_a_directory_error")
    cluster.may_read(request, inode)
    recursive = flag(request, "recursive")
    if recursive:
        cluster.require(request, "PRIVILEGE_FILE_FULL_ACCESS")
    return cluster.notifications.watch(
        inode.id, recursive=recursive, filter_=request.query.get("filter")
    )


def resolve(cluster: Cluster, request: Request) -> Answer:
    """Paths of file IDs."""
    ids = request.json()
    if not isinstance(ids, list):
        raise ApiError(400, "a list of file IDs is wanted")
    snapshot = number(request, "snapshot")
    found = []
    for file_id in ids:
        if not re.fullmatch(r"\d+", str(file_id)):
            raise ApiError(400, f"{file_id!r} is no file ID")
        inode = cluster.fs.resolve(str(file_id), snapshot=snapshot)
        path = cluster.fs.path_of(str(file_id), snapshot=snapshot)
        slash = "/" if inode.is_directory and path != "/" else ""
        found.append({"id": str(file_id), "path": path + slash})
    return answer(found)


def delete_tree(cluster: Cluster, request: Request) -> Answer:
    """Remove a directory with all below it, at once."""
    inode = cluster.fs.resolve(str(request.object().get("id")))
    cluster.may_write(request, inode)
    cluster.fs.delete_tree(inode.id)
    return answer(None)


def space(cluster: Cluster, request: Request) -> Answer:
    """How large the file system is."""
    del request
    total = cluster.fs.aggregates("/")[0]
    size = 1 << 50
    return answer(
        {
            "block_size_bytes": 4096,
            "free_size_bytes": str(size - int(total["total_capacity"])),
            "snapshot_size_bytes": "0",
            "total_size_bytes": str(size),
        }
    )
