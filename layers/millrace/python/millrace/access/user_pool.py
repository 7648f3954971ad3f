"""The Amazon Cognito user pool: it has passwords and second factors, and says nothing about rights."""

from typing import Any

from botocore.exceptions import ClientError

from millrace.core.errors import error_code, from_client_error


class CognitoPool:
    """Users by e-mail address, and by the id (`sub`) that Cognito gives each."""

    def __init__(self, cognito: Any, pool_id: str) -> None:
        """Makes no call.

        Args:
            cognito: the client of `cognito-idp`.
            pool_id: of the user pool.
        """
        self._cognito, self._pool_id = cognito, pool_id

    def ensure(self, email: str) -> str:
        """The id of the user with this address; one who is not there yet is made, and Cognito mails a password for once.

        Raises:
            MillraceError: Cognito did not answer, or refuses the address.
        """
        try:
            answer = self._cognito.admin_create_user(
                UserPoolId=self._pool_id,
                Username=email,
                UserAttributes=[
                    {"Name": "email", "Value": email},
                    {"Name": "email_verified", "Value": "true"},
                ],
                DesiredDeliveryMediums=["EMAIL"],
            )
            return _id(answer["User"]["Attributes"])
        except ClientError as error:
            if error_code(error.response) != "UsernameExistsException":
                raise from_client_error(error, "invite user") from error
        try:
            return _id(
                self._cognito.admin_get_user(UserPoolId=self._pool_id, Username=email)["UserAttributes"]
            )
        except ClientError as error:
            raise from_client_error(error, "find user") from error

    def find(self, email: str) -> str | None:
        """The id of the user with this address; None if there is none.

        Raises:
            MillraceError: Cognito did not answer.
        """
        try:
            found = self._cognito.admin_get_user(UserPoolId=self._pool_id, Username=email)
        except ClientError as error:
            if error_code(error.response) == "UserNotFoundException":
                return None
            raise from_client_error(error, "find user") from error
        return _id(found["UserAttributes"])

    def reset(self, user: str, password: str, *, authenticator: bool) -> None:
        """Gives a user a password for once, which a new one replaces at the next sign-in, and ends every sign-in.

        Args:
            user: the id.
            password: the one for once; the pool takes it for three days.
            authenticator: also forget the authenticator app, so that another one can be added.

        Raises:
            MillraceError: Cognito did not answer, or there is no such user.
        """
        who = {"UserPoolId": self._pool_id, "Username": user}
        try:
            if authenticator:
                off = {"Enabled": False, "PreferredMfa": False}
                self._cognito.admin_set_user_mfa_preference(**who, SoftwareTokenMfaSettings=off)
            self._cognito.admin_set_user_password(**who, Password=password, Permanent=False)
            self._cognito.admin_user_global_sign_out(**who)
        except ClientError as error:
            raise from_client_error(error, "reset user") from error

    def remove(self, user: str) -> None:
        """Deletes a user, if there is one.

        Raises:
            MillraceError: Cognito did not answer.
        """
        try:
            self._cognito.admin_delete_user(UserPoolId=self._pool_id, Username=user)
        except ClientError as error:
            if error_code(error.response) != "UserNotFoundException":
                raise from_client_error(error, "remove user") from error


def _id(attributes: list[dict[str, str]]) -> str:
    return next(one["Value"] for one in attributes if one["Name"] == "sub")
