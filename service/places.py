"""How many requests may be inside, in all and of one client: those that send their body, and those that wait or run.

A place is for a request whose body is whole. One that still sends holds none, so that slow lines, honest or not, take
nothing from others; there may be four times as many of them as places. At the door they count like those inside, up
to half of the places: an overloaded service refuses at once, instead of collecting bodies that it cannot serve.

A client is whoever shares a key or an address. One may have as many places as `capacity` says, and a quarter more are
there for others; it may have half of the uploads. Where there are too many uploads, the slowest gives way, of the
client that has most. It knows neither the web nor locks: its caller holds one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

_KEPT_FROM_ONE = 4  # one place more, for others, to so many
_UPLOADS_A_PLACE = 4
_GRACE_S = 1.0  # no upload is called slow before


@dataclass(eq=False)
class Upload:
    """A body on its way. Who reads it counts what has come, and looks whether it has to give way."""

    client: str
    begun_at: float
    received: int = 0
    has_to_go: bool = False
    interrupt: Callable[[], None] | None = None
    """Wakes whoever waits for the next piece."""

    def give_way(self) -> None:
        """End it, for others need the room."""
        self.has_to_go = True
        if self.interrupt:
            self.interrupt()


class Places:
    """Who is inside, by client."""

    def __init__(self, capacity: int, clock: Callable[[], float]) -> None:
        self._capacity = capacity
        self._clock = clock
        self._taken: Counter[str] = Counter()
        self._uploads: dict[Upload, None] = {}  # in the order in which they began

    @property
    def taken(self) -> int:
        """Requests that wait or run."""
        return self._taken.total()

    @property
    def inside(self) -> int:
        """Requests that upload, wait or run."""
        return self.taken + len(self._uploads)

    def take(self, client: str) -> bool:
        """Give the client a place, where there is one for it."""
        has_one = self._has_room(client, 0, 0)
        self._taken[client] += has_one
        return has_one

    def give_back(self, client: str) -> None:
        """It needs its place no more."""
        self._taken[client] -= 1
        if not self._taken[client]:
            del self._taken[client]

    def begin(self, client: str) -> Upload | None:
        """Let the client begin to send; None where it should not, since there would be no place for it."""
        by_client = Counter(each.client for each in self._uploads)
        if not self._has_room(client, by_client[client], len(self._uploads)):
            return None
        if not self._has_room_to_send(client, by_client):
            return None
        upload = Upload(client, self._clock())
        self._uploads[upload] = None
        return upload

    def end(self, upload: Upload) -> None:
        """Nothing more of it will come."""
        self._uploads.pop(upload, None)

    def _has_room(self, client: str, uploads_of_client: int, uploads: int) -> bool:
        most = self._capacity // 2  # of the uploads, that count
        return self._taken[client] + min(uploads_of_client, most) < self._capacity and self.taken + min(
            uploads, most
        ) < self._capacity + max(1, self._capacity // _KEPT_FROM_ONE)

    def _has_room_to_send(self, client: str, by_client: Counter[str]) -> bool:
        most = self._capacity * _UPLOADS_A_PLACE
        if by_client[client] >= most // 2:
            return self._push_out(client)
        if by_client.total() >= most:
            return self._push_out(by_client.most_common(1)[0][0])
        return True

    def _push_out(self, client: str) -> bool:
        """Let the client's slowest upload give way; False where none is slow."""
        now = self._clock()
        slow = [each for each in self._uploads if each.client == client and now - each.begun_at > _GRACE_S]
        if not slow:
            return False
        slowest = min(slow, key=lambda each: each.received / (now - each.begun_at))
        self.end(slowest)
        slowest.give_way()
        return True
