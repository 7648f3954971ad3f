"""Where people sign in: the user pool, with its app client. What they may is in our own tables and policies."""

from aws_cdk import CfnOutput, Duration, RemovalPolicy, Stack
from aws_cdk import aws_cognito as cognito
from constructs import Construct

from stacks.constructs.grants import Deployed
from stacks.constructs.waivers import waive
from stacks.settings import EnvironmentSettings

ACCESS_TOKEN = Duration.minutes(15)
REFRESH_TOKEN = Duration.hours(12)
_MFA = {
    "off": cognito.Mfa.OFF,
    "optional": cognito.Mfa.OPTIONAL,
    "required": cognito.Mfa.REQUIRED,
}


class AccessStack(Stack):
    """A pool of users whom somebody invited.

    Attributes:
        pool: as settings of functions name it.
        issuer: how a token of the pool says whose it is.
        client_id: of the app client.
    """

    def __init__(self, scope: Construct, construct_id: str, *, settings: EnvironmentSettings) -> None:
        super().__init__(scope, construct_id, termination_protection=settings.deletion_protection)
        sign_in = settings.sign_in
        self._pool = cognito.UserPool(
            self,
            "Users",
            user_pool_name=f"millrace-{settings.name}",
            self_sign_up_enabled=False,
            sign_in_aliases=cognito.SignInAliases(email=True),
            sign_in_case_sensitive=False,
            auto_verify=cognito.AutoVerifiedAttrs(email=True),
            account_recovery=cognito.AccountRecovery.EMAIL_ONLY,
            mfa=_MFA[sign_in.mfa],
            # A text message can be read by others: only codes of an app.
            mfa_second_factor=cognito.MfaSecondFactor(otp=True, sms=False),
            password_policy=cognito.PasswordPolicy(
                min_length=12,
                require_digits=True,
                require_lowercase=True,
                require_uppercase=True,
                require_symbols=True,
                password_history_size=5,
                temp_password_validity=Duration.days(3),
            ),
            feature_plan=cognito.FeaturePlan.ESSENTIALS,
            deletion_protection=settings.deletion_protection,
            removal_policy=RemovalPolicy.RETAIN if settings.retain else RemovalPolicy.DESTROY,
        )
        self._waive(sign_in.mfa)
        client = self._client()
        if sign_in.domain:
            self._pool.add_domain(
                "Domain", cognito_domain=cognito.CognitoDomainOptions(domain_prefix=sign_in.domain)
            )
        self.pool = Deployed(self._pool.user_pool_id, self._pool.user_pool_arn)
        self.issuer = f"https://cognito-idp.{self.region}.amazonaws.com/{self._pool.user_pool_id}"
        self.client_id = client.user_pool_client_id
        CfnOutput(self, "UserPoolId", value=self._pool.user_pool_id)
        CfnOutput(self, "UserPoolClientId", value=self.client_id)

    def _client(self) -> cognito.UserPoolClient:
        """Of the command line and the console: without a secret, which neither could keep."""
        return self._pool.add_client(
            "App",
            # The command line sends the password over TLS; browsers can prove that they know it (SRP).
            auth_flows=cognito.AuthFlow(user_srp=True, user_password=True, admin_user_password=True),
            disable_o_auth=True,
            prevent_user_existence_errors=True,
            enable_token_revocation=True,
            access_token_validity=ACCESS_TOKEN,
            id_token_validity=ACCESS_TOKEN,
            refresh_token_validity=REFRESH_TOKEN,
            auth_session_validity=Duration.minutes(3),
        )

    def _waive(self, mfa: str) -> None:
        waive(
            self._pool,
            "COG8",
            "Threat protection is of the Plus plan, paid by the user; sign-ins have a second factor where it matters.",
        )
        if mfa != "required":
            waive(
                self._pool,
                "COG2",
                "Outside of prod a second factor is each user's choice: programs of tests sign in there.",
            )
