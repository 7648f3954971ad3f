"""Buckets in Valkey, which all functions share. Where it does not answer, each function counts for itself: no call is refused for it."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from millrace.rates.buckets import Bucket, Buckets, Taken

# A call waits no longer for it, and then does without it for a while.
TIMEOUT_SECONDS = 0.05
PAUSE_SECONDS = 5.0
# One script, so that nobody comes between the look and the taking. Time is the server's, unless a test says another.
_SCRIPT = """
local cost, now = tonumber(ARGV[1]), tonumber(ARGV[2])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) + tonumber(time[2]) / 1000000
end
local tokens, given = {}, 1
for i, key in ipairs(KEYS) do
  local rate, size = tonumber(ARGV[1 + 2 * i]), tonumber(ARGV[2 + 2 * i])
  local kept = redis.call('HMGET', key, 'tokens', 'at')
  local left, at = tonumber(kept[1]) or size, tonumber(kept[2]) or now
  tokens[i] = math.min(size, left + math.max(0, now - at) * rate)
  if tokens[i] < math.min(cost, size) then given = 0 end
end
local told = {given}
for i, key in ipairs(KEYS) do
  local rate, size = tonumber(ARGV[1 + 2 * i]), tonumber(ARGV[2 + 2 * i])
  if given == 1 then tokens[i] = tokens[i] - cost end
  redis.call('HSET', key, 'tokens', string.format('%.6f', tokens[i]), 'at', string.format('%.6f', now))
  redis.call('PEXPIRE', key, math.ceil(1000 * (1 + (size - tokens[i]) / rate)))
  told[i + 1] = string.format('%.6f', tokens[i])
end
return told
"""


class ValkeyBuckets:
    """Those of a server."""

    def __init__(
        self, client: Any, *, prefix: str = "millrace:rate:", clock: Callable[[], float] | None = None
    ) -> None:
        """Makes no call.

        Args:
            client: of Valkey.
            prefix: of the names of all buckets; in braces, so that a cluster keeps those of one call together.
            clock: seconds; the server's time if None.
        """
        self._script, self._prefix, self._clock = client.register_script(_SCRIPT), prefix, clock

    def take(self, buckets: Sequence[Bucket], cost: float) -> Taken:
        """As `Buckets` says.

        Raises:
            ValkeyError: the server did not answer.
        """
        arguments: list[Any] = [cost, "" if self._clock is None else self._clock()]
        for one in buckets:
            arguments += [one.per_second, one.size]
        # A cluster runs a script on keys of one slot: what all of a call's buckets have in common is the tenant.
        slot = buckets[0].name
        keys = [f"{self._prefix}{{{slot}}}:{one.name}" for one in buckets]
        given, *tokens = self._script(keys=keys, args=arguments)
        return Taken(bool(given), [float(left) for left in tokens])


class FallingBack:
    """A server's buckets as long as it answers, and one's own otherwise."""

    def __init__(
        self,
        server: Buckets,
        own: Buckets,
        log: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`log` takes a line each time that the server did not answer."""
        self._server, self._own, self._log, self._clock = server, own, log, clock
        self._not_before = 0.0
        self.failures = 0

    def take(self, buckets: Sequence[Bucket], cost: float) -> Taken:
        """As `Buckets` says; raises nothing."""
        moment = self._clock()
        if moment >= self._not_before:
            try:
                return self._server.take(buckets, cost)
            except Exception as error:  # noqa: BLE001  whatever it is, the call is answered
                self.failures += 1
                self._not_before = moment + PAUSE_SECONDS
                said = f"{type(error).__name__}: {error}"
                self._log(f"Valkey did not answer, {self.failures} times by now: {said}")
        return self._own.take(buckets, cost)


def connected(url: str, log: Callable[[str], None], own: Buckets) -> Buckets:
    """The buckets of a server, such as `rediss://rates.example:6379`; makes no call."""
    import valkey  # noqa: PLC0415  only where there is a server

    client = valkey.Valkey.from_url(
        url, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS, retry_on_timeout=False
    )
    return FallingBack(ValkeyBuckets(client), own, log)
