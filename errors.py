"""Every error the product raises on purpose, as one small tree.

Owns: the hierarchy and nothing else. ``api_handler`` maps each class to an HTTP status in one
table and the dashboard shows ``str(error)`` in place, so a message must read well to a user: what
was found, what was expected, what to do.

::

    MonitorError
    ├── InputError                  the caller's input is wrong
    │   ├── SchemaError             a schema, naming feature and field
    │   ├── DataError               a table, naming column and row
    │   │   └── RowsError           rows typed by hand, naming every wrong field
    │   ├── PolicyError             a gate's policy, naming line and key
    │   ├── UnsupportedFileError    the file is no model we can read
    │   ├── TooLargeError           over a size limit
    │   └── ConflictError           not possible in the present state
    ├── NotFoundError               no such run, artifact or model
    ├── BusyError                   the queue is full
    ├── RunCancelledError           somebody cancelled the run
    ├── StorageError                the store cannot be read or written
    ├── EnvironmentBuildError       libraries of another version cannot be had
    └── ModelError                  the model did not do what was asked
        ├── ModelLoadError          the file could not be loaded
        ├── ModelRaisedError        the model raised a Python exception
        ├── ModelCrashedError       the model's process died
        ├── ModelTimeoutError       no answer within the time limit
        └── ModelProtocolError      the answer was not of the promised form
"""

from __future__ import annotations


class MonitorError(Exception):
    """Base of every error raised on purpose."""


class InputError(MonitorError):
    """The caller's input is wrong; the message says what, where and what to do."""


class SchemaError(InputError):
    """A schema is invalid; the message names the feature and the field."""


class DataError(InputError):
    """A table cannot be used; the message names the column or the row."""


class RowsError(DataError):
    """Some fields of some rows are wrong.

    Parameters
    ----------
    problems : list of (int, str, str)
        Row (from 0), field, and what is wrong with it.
    total : int
        How many there are, where not all are listed.
    """

    def __init__(self, problems: list[tuple[int, str, str]], total: int) -> None:
        told = [f"Row {row}: field {field!r} {what}" for row, field, what in problems[:3]]
        more = f" ({total - 3} more)" if total > 3 else ""
        super().__init__(". ".join(told) + "." + more)
        self.problems = problems
        self.total = total


class PolicyError(InputError):
    """A gate's policy is wrong.

    Parameters
    ----------
    problems : list of (int, str, str)
        Line (from 1), key, and what is wrong with it.
    """

    def __init__(self, problems: list[tuple[int, str, str]]) -> None:
        told = [f"line {line}, {key or 'the document'}: {what}" for line, key, what in problems]
        super().__init__("The policy is wrong in " + "; in ".join(told))
        self.problems = problems


class UnsupportedFileError(InputError):
    """The uploaded file is no model that can be tested."""


class TooLargeError(InputError):
    """Something is larger than its limit; the message names both."""


class ConflictError(InputError):
    """What was asked for is not possible in the present state of the thing."""


class NotFoundError(MonitorError):
    """What was asked for does not exist."""


class BusyError(MonitorError):
    """The queue is full.

    Parameters
    ----------
    message : str
        One sentence for the caller.
    retry_after_seconds : int
        When trying again is worth it.
    """

    def __init__(self, message: str, retry_after_seconds: int = 5) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class QuotaError(BusyError):
    """The caller has as many runs waiting as one caller may have."""


class RunCancelledError(MonitorError):
    """The run was cancelled by its owner."""


class StorageError(MonitorError):
    """The store cannot be read or written."""


class EnvironmentBuildError(MonitorError):
    """An environment with other versions cannot be built; the message says why."""


class ModelError(MonitorError):
    """The model did not do what was asked."""


class ModelLoadError(ModelError):
    """The file could not be turned into a model."""


class ModelRaisedError(ModelError):
    """The model raised a Python exception.

    Parameters
    ----------
    exception_type : str
        Name of the exception's class as the worker reported it.
    message : str
        Its text, cut to 2,000 characters and stripped of control characters.
    """

    def __init__(self, exception_type: str, message: str) -> None:
        super().__init__(f"{exception_type}: {message}" if message else exception_type)
        self.exception_type = exception_type
        self.message = message


class ModelCrashedError(ModelError):
    """The model's process died (signal, ``os._exit`` or the memory limit)."""


class ModelTimeoutError(ModelError):
    """The model gave no answer within its time limit and was stopped."""


class ModelProtocolError(ModelError):
    """The model's process answered something else than what was promised."""
