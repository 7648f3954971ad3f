"""Sends events to a Millrace platform: in batches, with retries, from a buffer that survives a restart."""

from millrace.client.buffer import BufferFullError
from millrace.client.client import Client, ClosedError, Counts
from millrace.client.envelope import Envelope
from millrace.client.transport import Response

__all__ = ["BufferFullError", "Client", "ClosedError", "Counts", "Envelope", "Response"]
