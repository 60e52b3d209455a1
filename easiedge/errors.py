"""The errors of easiedge: each message says what was wrong, where, and how to mend it."""


class EasiEdgeError(Exception):
    """Base of every error that easiedge raises on purpose; the command line turns it into exit status 2.

    The message is one sentence (or two) for the user: what was wrong, where, and what to do about it.
    """


class BudgetError(EasiEdgeError):
    """A budget that cannot be read, or that floors and structure make unreachable; names the groups that bind."""


class DataError(EasiEdgeError):
    """Missing, empty, unreadable or unsuitable data; names the folder or file."""


class ModelError(EasiEdgeError):
    """A network that cannot be analysed, pruned, or loaded with the given weights; names the layer or keys."""


class EquivalenceError(EasiEdgeError):
    """The shrunk network does not compute what the masked network computes; nothing is saved."""


class TrainingError(EasiEdgeError):
    """Training that cannot go on, such as a loss that is not finite; says which state was kept."""


class NotFiniteError(TrainingError):
    """A loss or weights that are not finite; the network is as at the end of its last good epoch.

    Attributes:
        what: in short.
        epochs: that were good.
        history: logged figures of those.
    """

    def __init__(self, message: str, what: str = "", epochs: int = 0) -> None:
        super().__init__(message)
        self.what, self.epochs = what or message, epochs
        self.history: list[dict[str, float]] = []


class RunError(EasiEdgeError):
    """A run directory, or a folder of them, that cannot be read; names the file and what is wrong in it."""


class WriteError(EasiEdgeError):
    """A file that cannot be written: the disk is full, or the folder is not to be written to; an earlier file is intact."""


class ProcessError(EasiEdgeError):
    """Another process of the same run has ended, or does not answer."""
