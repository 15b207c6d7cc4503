"""Which requests of an interface count as use, as its release declares it."""

from collections.abc import Sequence

__all__ = ["Activity"]

ANY = b""


class Activity:
    """What a release says of polling: paths, each for all requests, or for those of one method.

    Parameters
    ----------
    ignore
        `/api/metrics`: nothing at this path or below it counts; `GET /api/sessions`: plain GET requests do not.
    pings
        WebSocket messages of at most so many bytes do not count.
    """

    __slots__ = ("_ignored", "pings")

    def __init__(self, ignore: Sequence[str] = (), *, pings: int = 1) -> None:
        self.pings = pings
        self._ignored: dict[bytes, tuple[frozenset[bytes], tuple[bytes, ...]]] = {}
        by_method: dict[bytes, list[bytes]] = {}
        for one in ignore:
            method, _, path = one.encode().rpartition(b" ")
            by_method.setdefault(method, []).append(path)
        for method, paths in by_method.items():
            below = tuple(path.rstrip(b"/") + b"/" for path in paths)
            self._ignored[method] = frozenset(paths), below

    def counts(self, method: bytes, target: bytes, *, upgrade: bool = False) -> bool:
        """Tell whether a request shows that the task is in use; an upgraded one: whether what is sent on it can."""
        ignored = self._ignored
        if not ignored:
            return True
        path = target.partition(b"?")[0]
        if self._is_quiet(ANY, path):
            return False
        return upgrade or not self._is_quiet(method, path)

    def _is_quiet(self, method: bytes, path: bytes) -> bool:
        found = self._ignored.get(method)
        return found is not None and (path in found[0] or path.startswith(found[1]))
