"""Where people sign in, in every environment: by invitation, with strong passwords, and a second factor where it matters."""

import pytest

from stacks.environment import ENVIRONMENTS
from tests.support.templates import Templates

POOL, CLIENT = "AWS::Cognito::UserPool", "AWS::Cognito::UserPoolClient"
MFA = {"local": "OPTIONAL", "dev": "OPTIONAL", "staging": "OPTIONAL", "prod": "ON"}


def test_users_are_invited_and_have_strong_passwords(every: Templates) -> None:
    pool = every.one(POOL, "Users")["Properties"]
    assert pool["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"] is True
    assert pool["UsernameAttributes"] == ["email"]
    assert pool["UsernameConfiguration"] == {"CaseSensitive": False}
    policy = pool["Policies"]["PasswordPolicy"]
    assert policy["MinimumLength"] >= 12
    assert all(policy[f"Require{what}"] is True for what in ("Lowercase", "Uppercase", "Numbers", "Symbols"))
    assert policy["TemporaryPasswordValidityDays"] <= 3


def test_the_second_factor_is_a_code_of_an_app(every: Templates) -> None:
    pool = every.one(POOL, "Users")["Properties"]
    assert pool["MfaConfiguration"] == MFA[every.environment]
    assert pool["EnabledMfas"] == ["SOFTWARE_TOKEN_MFA"]


def test_a_pool_with_people_in_it_is_not_deleted(every: Templates) -> None:
    settings, pool = ENVIRONMENTS[every.environment], every.one(POOL, "Users")
    assert (pool["Properties"].get("DeletionProtection") == "ACTIVE") is settings.deletion_protection
    assert (pool["DeletionPolicy"] == "Retain") is settings.retain


def test_tokens_are_short_lived_and_revocable(every: Templates) -> None:
    client = every.one(CLIENT, "Users")["Properties"]
    units = client["TokenValidityUnits"]
    assert (client["AccessTokenValidity"], units["AccessToken"]) == (15, "minutes")
    assert (client["RefreshTokenValidity"], units["RefreshToken"]) == (720, "minutes")
    assert client["EnableTokenRevocation"] is True
    assert client["PreventUserExistenceErrors"] == "ENABLED"
    assert client.get("GenerateSecret", False) is False
    assert set(client["ExplicitAuthFlows"]) == {
        "ALLOW_ADMIN_USER_PASSWORD_AUTH",
        "ALLOW_USER_PASSWORD_AUTH",
        "ALLOW_USER_SRP_AUTH",
        "ALLOW_REFRESH_TOKEN_AUTH",
    }


def test_the_authorizer_knows_the_pool_and_administration_no_other(every: Templates) -> None:
    variables = every.functions()["authorize"]["Properties"]["Environment"]["Variables"]
    assert "cognito-idp" in str(variables["USER_POOL_ISSUER"])
    assert variables["USER_POOL_CLIENT_ID"]
    named = [
        statement["Resource"]
        for _, statement in every.statements()
        if "cognito-idp" in str(statement["Action"])
    ]
    assert len(named) == 1
    assert "Users" in str(named)
    assert "*" not in str(named)


@pytest.mark.parametrize("mfa", ["off", "required"])
def test_the_second_factor_is_a_setting(mfa: str) -> None:
    changed = ENVIRONMENTS["dev"].model_validate({**dict(ENVIRONMENTS["dev"]), "sign_in": {"mfa": mfa}})
    assert changed.sign_in.mfa == mfa
