"""Keys are remembered as long as the gateway does, the unknown ones too."""

from millrace.access.credentials import Principal
from millrace.access.recognition import REMEMBERED_SECONDS, Credentials, RememberedKeys, from_basic

PRINCIPAL = Principal("org_acme", "web", ("events:write:public",))


class Counted(Credentials):
    """Knows one key and counts the look-ups."""

    def __init__(self) -> None:
        self.asked = 0

    def find(self, key: str) -> Principal | None:
        self.asked += 1
        return PRINCIPAL if key == "known" else None


def test_an_answer_is_remembered_for_a_minute() -> None:
    credentials, moment = Counted(), [0.0]
    keys = RememberedKeys(credentials, lambda: moment[0])
    assert [keys.find("known"), keys.find("known")] == [PRINCIPAL] * 2
    assert [keys.find("other"), keys.find("other")] == [None] * 2
    assert credentials.asked == 2
    moment[0] = REMEMBERED_SECONDS
    assert keys.find("known") == PRINCIPAL
    assert credentials.asked == 3


def test_a_key_is_the_user_or_the_password() -> None:
    assert from_basic("Basic bWtfYTo=") == from_basic("basic  bWtfYTo=") == "mk_a"
    assert from_basic("Basic eDpta19h") == "mk_a"
    assert from_basic("Bearer mk_a") == from_basic("Basic %%%") == from_basic("") == ""
