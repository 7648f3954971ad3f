"""Millrace: an event data platform for AWS. One package per capability over a small floor, `core`."""

from pkgutil import extend_path

__version__ = "0.1.0"
# `millrace.client` is a package of its own (clients/python), which producers install without the platform.
__path__ = extend_path(__path__, __name__)
