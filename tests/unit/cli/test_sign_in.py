"""Signing in on the command line: what the pool asks is answered, and what it gives is kept for the user alone and renewed."""

import base64
import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
from botocore.exceptions import ClientError

from cli import lake, sign_in, tenants
from cli.api import Api
from cli.commands import login
from cli.errors import RefusedError, UsageError
from cli.target import Target, find_target

ENDS = 2_000_000_000


def access(number: int, ends: int = ENDS) -> str:
    part = base64.urlsafe_b64encode(orjson.dumps({"exp": ends, "n": number})).rstrip(b"=").decode()
    return f"eyJhbGciOiJSUzI1NiJ9.{part}.c2ln"


class Pool:
    """Asks one challenge after another, and then gives tokens."""

    def __init__(self, *challenges: str) -> None:
        self.challenges, self.answers, self.over = list(challenges), [], False  # type: ignore[var-annotated]

    def initiate_auth(self, *, AuthFlow: str, AuthParameters: Mapping[str, str], **_: str) -> Any:  # noqa: N803
        self.answers.append({"flow": AuthFlow, **AuthParameters})
        if self.over or AuthParameters.get("PASSWORD") == "wrong":
            refused = {"Code": "NotAuthorizedException", "Message": "Incorrect username or password."}
            raise ClientError({"Error": refused}, "InitiateAuth")
        return self._next()

    def respond_to_auth_challenge(self, *, ChallengeResponses: Mapping[str, str], **_: str) -> Any:  # noqa: N803
        self.answers.append(dict(ChallengeResponses))
        return self._next()

    def associate_software_token(self, **given: str) -> Any:
        assert given.keys() in ({"Session"}, {"AccessToken"})
        return {"SecretCode": "ABCDEFGH", "Session": "s2"}

    def verify_software_token(self, **given: str) -> Any:
        self.answers.append({"verified": given["UserCode"]})
        return {"Session": "s3", "Status": "SUCCESS"}

    def _next(self) -> Any:
        if self.challenges:
            return {"ChallengeName": self.challenges.pop(0), "Session": "s", "ChallengeParameters": {}}
        result = {"AccessToken": access(len(self.answers)), "RefreshToken": "r", "ExpiresIn": 900}
        return {"AuthenticationResult": result}


def asked(question: str, hidden: bool) -> str:
    assert hidden is ("assword" in question)
    return {"P": "secret", "A": "new" if "password" in question else "111111", "C": "222222"}[question[0]]


def session(**changed: Any) -> sign_in.Session:
    given = {
        "user": "a@b.c",
        "access": access(0),
        "refresh": "r",
        "ends": ENDS,
        "client_id": "c",
        "region": "x",
    }
    return sign_in.Session(**{**given, "org": "org_acme", **changed})


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in ("MILLRACE_TOKEN", "MILLRACE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_each_challenge_is_answered() -> None:
    pool = Pool("NEW_PASSWORD_REQUIRED", "SOFTWARE_TOKEN_MFA")
    made = sign_in.start(pool, "c", "x", "a@b.c", asked)
    assert made.ends == ENDS
    assert pool.answers == [
        {"flow": "USER_PASSWORD_AUTH", "USERNAME": "a@b.c", "PASSWORD": "secret"},
        {"USERNAME": "a@b.c", "NEW_PASSWORD": "new"},
        {"USERNAME": "a@b.c", "SOFTWARE_TOKEN_MFA_CODE": "222222"},
    ]
    given = Pool("SOFTWARE_TOKEN_MFA")
    sign_in.start(given, "c", "x", "a@b.c", asked, "333333")
    assert given.answers[-1]["SOFTWARE_TOKEN_MFA_CODE"] == "333333"


def test_a_second_factor_is_set_up_where_the_pool_asks_for_one() -> None:
    pool = Pool("NEW_PASSWORD_REQUIRED", "MFA_SETUP")
    assert sign_in.start(pool, "c", "x", "a@b.c", asked).refresh == "r"
    assert {"verified": "111111"} in pool.answers


def test_both_passwords_of_a_script_are_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLRACE_PASSWORD", "for once")
    monkeypatch.setenv("MILLRACE_NEW_PASSWORD", "from now on")
    pool = Pool("NEW_PASSWORD_REQUIRED")
    assert sign_in.start(pool, "c", "x", "a@b.c", login._ask).user == "a@b.c"
    assert [
        one for answer in pool.answers for one in answer.values() if one in ("for once", "from now on")
    ] == [
        "for once",
        "from now on",
    ]


def test_what_the_pool_refuses_is_a_sentence() -> None:
    with pytest.raises(RefusedError, match="Incorrect username or password"):
        sign_in.start(Pool(), "c", "x", "a@b.c", lambda *_: "wrong")
    with pytest.raises(RefusedError, match="SMS_MFA"):
        sign_in.start(Pool("SMS_MFA"), "c", "x", "a@b.c", asked)
    with pytest.raises(RefusedError, match="again and again"):
        sign_in.start(Pool(*["SOFTWARE_TOKEN_MFA"] * 9), "c", "x", "a@b.c", asked)


def test_a_sign_in_is_kept_for_its_user_alone_and_renewed(home: Path) -> None:
    pool = Pool()
    path = sign_in.keep("dev", session())
    assert path == home / "millrace" / "dev.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert sign_in.token("dev", lambda _: pool, lambda: ENDS - 100.0) == f"org_acme/{access(0)}"
    assert pool.answers == []
    assert sign_in.token("dev", lambda _: pool, lambda: ENDS - 10.0) == f"org_acme/{access(1)}"
    assert sign_in.kept("dev") == session(access=access(1))
    pool.over = True
    with pytest.raises(RefusedError, match="sign in again: millrace login"):
        sign_in.token("dev", lambda _: pool, lambda: ENDS + 1.0)
    assert sign_in.token("prod", lambda _: pool) == ""
    assert (sign_in.forget("dev"), sign_in.forget("dev")) == (True, False)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"user": 1}', "{"])
def test_a_file_that_is_no_sign_in_is_none(home: Path, text: str) -> None:
    sign_in.keep("dev", session()).write_text(text)
    assert sign_in.kept("dev") is None


def test_a_token_decides_the_tenant(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = Target("dev", "http://127.0.0.1:1", {}, {})
    monkeypatch.setenv("MILLRACE_TOKEN", f"org_acme/{access(0)}")
    for org in (None, "org_acme"):
        assert tenants.tenant(target, org) == "org_acme"
        assert tenants.key(target, org) == f"org_acme/{access(0)}"
    with pytest.raises(UsageError, match="for org_acme, not for org_globex"):
        tenants.key(target, "org_globex")
    monkeypatch.setenv("MILLRACE_TOKEN", access(0))
    assert tenants.key(target, "org_globex") == f"org_globex/{access(0)}"
    mine = {"org": "org_new", "orgs": ["org_new"]}
    monkeypatch.setattr(Api, "ask", lambda *_, **__: mine)
    assert tenants.key(target, None) == f"org_new/{access(0)}"
    mine["orgs"] = ["org_new", "org_old"]
    with pytest.raises(UsageError, match="org_new, org_old"):
        tenants.key(target, None)


def test_for_another_tenant_the_way_is_named_that_works(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(target: Target, org: str | None) -> str:
        with pytest.raises(UsageError) as caught:
            tenants.key(target, org)
        return str(caught.value)

    dev = Target("dev", "http://127.0.0.1:1", {}, {})
    sign_in.keep("dev", session(ends=2**40))
    assert refused(dev, "org_globex") == (
        "the sign-in is for org_acme, not for org_globex. "
        "Sign in to it: millrace login --user a@b.c --org org_globex --env dev"
    )
    local = Target("local", "http://127.0.0.1:1", {}, {"org_globex": "mk_globex"})
    sign_in.keep("local", session(ends=2**40))
    assert refused(local, "org_globex").endswith(
        "millrace login --user a@b.c --org org_globex; or sign out, and its key in .local/keys.json is used: millrace logout"
    )
    sign_in.forget("local")
    assert tenants.key(local, "org_globex") == "mk_globex"
    # A kept sign-in changes nothing as long as the variable stands before it.
    monkeypatch.setenv("MILLRACE_TOKEN", f"org_acme/{access(0)}")
    assert refused(dev, "org_globex") == (
        "the token in MILLRACE_TOKEN is for org_acme, not for org_globex. "
        "Put org_globex/TOKEN into MILLRACE_TOKEN, or unset it"
    )


@pytest.mark.parametrize("command", ["query", "sql"])
def test_all_tenants_are_not_read_past_a_sign_in_or_a_key(
    home: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """They would be read with AWS rights, whatever who is signed in may."""
    target = Target("dev", "http://127.0.0.1:1", {}, {})
    module = importlib.import_module(f"cli.commands.{command}")

    def refused() -> str:
        with pytest.raises(UsageError) as caught:
            module.chosen_tenant(target, None, all_tenants=True)
        return str(caught.value)

    assert module.chosen_tenant(target, None, all_tenants=True) is None
    sign_in.keep("dev", session(ends=2**40))
    assert "the sign-in is for org_acme alone" in refused()
    assert "millrace logout --env dev" in refused()
    monkeypatch.setenv("MILLRACE_TOKEN", access(0))
    assert "the token in MILLRACE_TOKEN is for one tenant alone" in refused()
    assert "unset MILLRACE_TOKEN" in refused()
    monkeypatch.setenv("MILLRACE_API_KEY", "mk_1")
    assert "the key in MILLRACE_API_KEY reads the rows of one tenant" in refused()


def test_a_query_of_who_is_signed_in_is_the_api_s(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And never one with AWS rights, which may more."""
    monkeypatch.setattr(lake, "by_api", lambda _: "by API")
    monkeypatch.setattr(lake, "by_operator", lambda *_: "by AWS")
    dev = Target("dev", "http://127.0.0.1:1", {}, {})

    def calls() -> object:
        return lake.calls(dev, "org_acme")

    assert calls() == "by AWS"
    sign_in.keep("dev", session(ends=2**40))
    assert calls() == "by API"
    sign_in.forget("dev")
    monkeypatch.setenv("MILLRACE_TOKEN", f"org_acme/{access(0)}")
    assert calls() == "by API"


def test_a_token_or_a_sign_in_stands_in_the_place_of_a_key(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MILLRACE_API_URL", "http://127.0.0.1:1")
    with pytest.raises(UsageError, match="millrace login"):
        find_target("dev")
    assert find_target("dev", key_needed=False).keys == {}
    sign_in.keep("dev", session())
    assert find_target("dev").env == "dev"
    monkeypatch.setenv("MILLRACE_TOKEN", access(0))
    assert find_target("prod").env == "prod"
