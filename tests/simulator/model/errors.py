# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the file system refuses, as exceptions that carry the answer of the REST API.

The error classes are those that the vendor lists as error states of the audit log
("Qumulo administrator guide", audit logging, file system operation error messages).
"""

from __future__ import annotations


class ModelError(Exception):
    """A request that the file system refuses; nothing was changed.

    :ivar status: HTTP status of the answer
    :ivar error_class: the error class in its JSON body
    :ivar description: the sentence in its JSON body
    """

    status = 400
    error_class = "fs_error"

    def __init__(self, description: str) -> None:
        super().__init__(description)
        self.description = description


class NoSuchEntryError(ModelError):
    """A path or a file ID that does not exist (in the snapshot, if one is asked)."""

    status = 404
    error_class = "fs_no_such_entry_error"


class NoSuchSnapshotError(ModelError):
    """A snapshot ID that does not exist."""

    status = 404
    error_class = "snapshot_not_found_error"


class NotCoveredBySnapshotError(ModelError):
    """A file that lies outside of the snapshot's source directory."""

    status = 404
    error_class = "fs_file_not_covered_by_snapshot_error"


class EntryExistsError(ModelError):
    """A name that is taken already."""

    status = 409
    error_class = "fs_entry_exists_error"


class DirectoryNotEmptyError(ModelError):
    """A directory that has children and so cannot be removed or replaced."""

    status = 409
    error_class = "fs_directory_not_empty_error"


class DirectoryCycleError(ModelError):
    """A directory moved below itself."""

    status = 400
    error_class = "fs_directory_cycle_error"


class HardLinkAmbiguityError(ModelError):
    """A file named by ID where one of its several links must be named."""

    status = 400
    error_class = "fs_entry_hardlink_ambiguity_error"


class NotDirectoryError(ModelError):
    """A file where a directory must be."""

    status = 400
    error_class = "fs_not_a_directory_error"


class NotAFileError(ModelError):
    """Something else where a regular file must be."""

    status = 400
    error_class = "fs_not_a_file_error"


class InvalidFileTypeError(ModelError):
    """An operation that this type of file does not have."""

    status = 400
    error_class = "fs_invalid_file_type_error"


class InvalidNameError(ModelError):
    """A name that is empty, ``.``, ``..``, or holds a slash or a NUL."""

    status = 400
    error_class = "fs_invalid_name_error"


class NameSizeError(ModelError):
    """A name of more than 255 characters."""

    status = 400
    error_class = "fs_name_size_error"


class InvalidPathError(ModelError):
    """A reference that is neither a file ID nor an absolute path."""

    status = 400
    error_class = "fs_file_path_invalid_error"


class InvalidAttributesError(ModelError):
    """Attributes that make no sense together or for this type of file."""

    status = 400
    error_class = "fs_invalid_attrs_error"


class InvalidSizeError(ModelError):
    """A size or an offset below zero or beyond the largest file."""

    status = 400
    error_class = "fs_invalid_size_error"


class InvalidArgumentError(ModelError):
    """A token, an order of snapshots or a date that the API does not take."""

    status = 400
    error_class = "http_bad_request_error"


class FileLockedError(ModelError):
    """A change to a file that is under retention or legal hold.

    Which error class a cluster answers is not documented; this one is its refusal of access.
    """

    status = 403
    error_class = "fs_access_denied_error"


class RetentionShortenedError(ModelError):
    """A retention period that would end earlier than the one that is set.

    Which error class a cluster answers is not documented; this one is for attributes it refuses.
    """

    status = 400
    error_class = "fs_invalid_attrs_error"
