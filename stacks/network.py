"""The network of the functions, where an environment wants one: subnets without a way to the internet, and endpoints of the services they call.

It costs by the hour, so none is made unless the setting `network` asks for it (ADR 59).
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

from aws_cdk import Aws, Fn, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.constructs.log_groups import log_group
from stacks.settings import EnvironmentSettings
from stacks.settings_parts import NetworkSettings

HTTPS = ec2.Port.tcp(443)
# By the service that rights name → its endpoint. Lambda itself writes logs, reads streams and queues, and sends what failed.
GATEWAYS = {
    "s3": ec2.GatewayVpcEndpointAwsService.S3,
    "dynamodb": ec2.GatewayVpcEndpointAwsService.DYNAMODB,
}
INTERFACES = {
    "kms": ec2.InterfaceVpcEndpointAwsService.KMS,
    "kinesis": ec2.InterfaceVpcEndpointAwsService.KINESIS_STREAMS,
    "events": ec2.InterfaceVpcEndpointAwsService.EVENTBRIDGE,
    "sqs": ec2.InterfaceVpcEndpointAwsService.SQS,
    "states": ec2.InterfaceVpcEndpointAwsService.STEP_FUNCTIONS,
    "secretsmanager": ec2.InterfaceVpcEndpointAwsService.SECRETS_MANAGER,
    "glue": ec2.InterfaceVpcEndpointAwsService.GLUE,
    "sts": ec2.InterfaceVpcEndpointAwsService.STS,
    "cognito-idp": ec2.InterfaceVpcEndpointAwsService("cognito-idp"),
}
# Asked for the key of the lineage server only.
PARAMETERS = {"ssm": ec2.InterfaceVpcEndpointAwsService.SSM}
# Functions that are not in the network, and why.
OUTSIDE: Mapping[str, str] = {
    "authorize": "It reads the user pool's public keys at their public address, which AWS does not offer through an endpoint.",
    "send_canary": "It calls the HTTP API at its public address, as clients do.",
}
# Where CloudFormation takes the answers of functions that a deploy calls; they are put with its own signature.
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/vpc-interface-endpoints.html
ANSWERS = "arn:aws:s3:::cloudformation-custom-resource-response-*/*"


class NetworkStack(Stack):
    """The network.

    Attributes:
        vpc: with one private subnet a zone.
        functions: the security group of the functions.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, settings: EnvironmentSettings, network: NetworkSettings
    ) -> None:
        super().__init__(scope, construct_id)
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr(network.cidr),
            # Of whatever region it is deployed to.
            availability_zones=[Fn.select(number, Fn.get_azs()) for number in range(network.zones)],
            nat_gateways=0,
            subnet_configuration=[
                ec2.SubnetConfiguration(
                    name="Functions", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED, cidr_mask=22
                )
            ],
        )
        self.functions = self._group("Functions", "Functions: they call, and nobody calls them.")
        endpoints = self._group("Endpoints", "Endpoints of services: called by functions only.")
        # To any address: S3 and DynamoDB have public ones. Routes lead to their endpoints, and nowhere else.
        self.functions.add_egress_rule(ec2.Peer.any_ipv4(), HTTPS, "Endpoints of services")
        endpoints.add_ingress_rule(self.functions, HTTPS, "Functions")
        if settings.rate_limit_url:
            port = urlsplit(settings.rate_limit_url).port or 6379
            self.functions.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(port), "Valkey")
        for name, gateway in GATEWAYS.items():
            made = self.vpc.add_gateway_endpoint(name, service=gateway)
            made.add_to_policy(_ours())
            if name == "s3":
                made.add_to_policy(
                    iam.PolicyStatement(
                        principals=[iam.StarPrincipal()], actions=["s3:PutObject"], resources=[ANSWERS]
                    )
                )
        for name, interface in (INTERFACES | (PARAMETERS if settings.lakehouse.lineage_key else {})).items():
            self.vpc.add_interface_endpoint(
                name, service=interface, security_groups=[endpoints], open=False, private_dns_enabled=True
            ).add_to_policy(_ours())
        # What was refused: nothing should be.
        self.vpc.add_flow_log(
            "Refused",
            destination=ec2.FlowLogDestination.to_cloud_watch_logs(
                log_group(self, "RefusedLogs", settings=settings)
            ),
            traffic_type=ec2.FlowLogTrafficType.REJECT,
        )

    def _group(self, construct_id: str, description: str) -> ec2.SecurityGroup:
        return ec2.SecurityGroup(
            self, construct_id, vpc=self.vpc, description=description, allow_all_outbound=False
        )


def _ours() -> iam.PolicyStatement:
    """Of an endpoint: only identities of this AWS account pass it, so that nobody's credentials carry data to another one."""
    return iam.PolicyStatement(
        principals=[iam.StarPrincipal()],
        actions=["*"],
        resources=["*"],
        conditions={"StringEquals": {"aws:PrincipalAccount": Aws.ACCOUNT_ID}},
    )
