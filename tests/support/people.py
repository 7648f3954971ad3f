"""People without a table: the same person for the same name, whoever asks."""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from unittest.mock import patch

from millrace.privacy import identities, seal, subjects
from millrace.privacy.person import user_in
from millrace.privacy.subjects import Person
from millrace.privacy.tenant_secrets import TenantSecrets, secrets


class _TenantKeys:
    def key(self, org: str) -> bytes:
        return hashlib.sha256(org.encode()).digest()


class EverybodyIsKnown:
    """Gives each name of each tenant a person, always the same."""

    def secrets(self, org: str) -> TenantSecrets:
        return secrets(_TenantKeys(), org)

    def known(self, org: str, names: Iterable[str]) -> dict[str, Person]:
        return self.known_or_new(org, names)

    def known_or_new(self, org: str, names: Iterable[str]) -> dict[str, Person]:
        return {name: person(org, name) for name in names}

    def returned(self, org: str, names: Iterable[str]) -> dict[str, Person]:
        return self.known_or_new(org, names)


def person(org: str, name: str) -> Person:
    """The person of a name."""
    digest = hashlib.sha256(f"{org} {name}".encode()).digest()
    number = identities.LEAST | int.from_bytes(digest[:6])
    return Person(number, digest)


def number(org: str, user: str | int) -> int:
    """What is stored in place of a user's id."""
    return person(org, f"user:{user}").subject


@contextmanager
def same_numbers() -> Iterator[None]:
    """Has the person of a name be the same number in every world, so that worlds can be compared."""
    made = subjects._new

    def new(org: str, name: str) -> Person:
        number, fresh, user = person(org, name).subject, made(org, name), user_in(name)
        written = b"" if user is None else user.encode("utf-8", "surrogatepass")
        who = seal.seal(fresh.key, subjects._who(org, number), written) if user is not None else b""
        return replace(fresh, subject=number, who=who)

    with patch.object(subjects, "_new", new):
        yield
