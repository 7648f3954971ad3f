"""The network of functions: closed, without a way to the internet, and with an endpoint for whatever they call."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import Validations
from cdk_nag import AwsSolutionsChecks
from pydantic import ValidationError

from millrace.feeders.binding import Binding, Webhook
from stacks import lint
from stacks.application import new_app
from stacks.constructs.fleet import refuse_certificates_from_outside
from stacks.environment import ENVIRONMENTS
from stacks.errors import SettingsError
from stacks.network import GATEWAYS, INTERFACES, OUTSIDE, NetworkStack
from stacks.settings import EnvironmentSettings
from stacks.settings_parts import NetworkSettings
from tests.support.templates import NETWORKED, Templates, as_list, templates

# Lambda itself writes the logs of a function and makes its interfaces; to pass a role on is no call.
NO_CALLS = {"logs", "ec2", "iam"}


@pytest.fixture
def networked() -> Templates:
    return templates(NETWORKED)


def test_nothing_is_made_unless_it_is_asked_for(every: Templates) -> None:
    assert not every.resources("AWS::EC2::VPC")
    for function in every.functions().values():
        assert "VpcConfig" not in function["Properties"]


def test_a_source_whose_certificates_are_on_the_internet_is_refused_in_it() -> None:
    hook = Binding("shop", "org_acme", "webhook", ("prod",), webhook=Webhook("stripe"))
    refuse_certificates_from_outside([hook])
    with pytest.raises(SettingsError, match="shop: PayPal's certificates"):
        refuse_certificates_from_outside([replace(hook, webhook=Webhook("paypal"))])


def test_functions_are_in_it_but_for_those_that_call_public_addresses(networked: Templates) -> None:
    functions = networked.functions()
    assert functions.keys() > OUTSIDE.keys()
    for stem, function in functions.items():
        placed = function["Properties"].get("VpcConfig")
        assert (placed is None) is (stem in OUTSIDE), stem
        if placed is not None:
            assert len(placed["SubnetIds"]) == 2
            assert len(placed["SecurityGroupIds"]) == 1
    assert all(reason.endswith(".") for reason in OUTSIDE.values())


def test_there_is_an_endpoint_for_every_service_that_a_function_calls_and_no_other(
    networked: Templates,
) -> None:
    called = {
        action.partition(":")[0]
        for stem in networked.functions()
        if stem not in OUTSIDE
        for statement in networked.rights(stem)
        for action in as_list(statement["Action"])
    }
    assert called - NO_CALLS == GATEWAYS.keys() | INTERFACES.keys()


def test_what_makes_interfaces_is_no_right_of_the_function_s_own_code(networked: Templates) -> None:
    for stem in networked.functions():
        rights = [
            one for one in networked.rights(stem) if any("ec2:" in name for name in as_list(one["Action"]))
        ]
        assert len(rights) == (stem not in OUTSIDE), stem
        for one in rights:
            assert one["Condition"] == {"Null": {"lambda:SourceFunctionArn": "true"}}


def test_only_functions_reach_endpoints_and_nothing_reaches_functions(networked: Templates) -> None:
    (rule,) = networked.resources("AWS::EC2::SecurityGroupIngress").values()
    assert "Endpoints" in json.dumps(rule["Properties"]["GroupId"])
    assert "Functions" in json.dumps(rule["Properties"]["SourceSecurityGroupId"])
    assert rule["Properties"]["FromPort"] == rule["Properties"]["ToPort"] == 443
    for group in networked.resources("AWS::EC2::SecurityGroup").values():
        assert "SecurityGroupIngress" not in group["Properties"]
    # No way out: no gateway to the internet, no address translation, and no route but those of endpoints.
    kinds = {one["Type"] for one in networked.stacks["network"]["Resources"].values()}
    assert not kinds & {"AWS::EC2::InternetGateway", "AWS::EC2::NatGateway", "AWS::EC2::Route"}
    assert all(
        not one["Properties"]["MapPublicIpOnLaunch"]
        for one in networked.resources("AWS::EC2::Subnet").values()
    )


def test_endpoints_carry_calls_of_this_account_only(networked: Templates) -> None:
    """But for CloudFormation's own answers, which are put with its signature."""
    ours = {"StringEquals": {"aws:PrincipalAccount": {"Ref": "AWS::AccountId"}}}
    for name, endpoint in networked.resources("AWS::EC2::VPCEndpoint").items():
        open_to_others = [
            one
            for one in endpoint["Properties"]["PolicyDocument"]["Statement"]
            if one.get("Condition") != ours
        ]
        answers = [one["Resource"] for one in open_to_others]
        assert all("cloudformation-custom-resource-response-" in one for one in answers), name
        assert len(answers) == (name.startswith("Vpcs3")), name


@pytest.mark.parametrize("environment", ["dev", "staging", "prod"])
def test_nag_and_lint_find_nothing_in_any_environment(environment: str, tmp_path: Path) -> None:
    """With three zones, Valkey and a lineage server, which is all that a network can have; a finding of nag fails the synth."""
    app = new_app(str(tmp_path))
    settings = ENVIRONMENTS[environment]
    settings = settings.model_copy(
        update={
            "rate_limit_url": "rediss://rates.example:6380",
            "lakehouse": settings.lakehouse.model_copy(update={"lineage_key": "/millrace/lineage"}),
        }
    )
    NetworkStack(app, "network", settings=settings, network=NetworkSettings(zones=3))
    Validations.of(app).add_plugins(AwsSolutionsChecks(app, verbose=True))
    path = Path(app.synth().get_stack_by_name("network").template_full_path)
    assert list(lint.lint(path)) == []
    made = json.loads(path.read_text())["Resources"].values()
    subnets = [one for one in made if one["Type"] == "AWS::EC2::Subnet"]
    interfaces = [one for one in made if one["Properties"].get("VpcEndpointType") == "Interface"]
    assert len(subnets) == 3
    assert {len(one["Properties"]["SubnetIds"]) for one in interfaces} == {3}
    assert len(interfaces) == len(INTERFACES) + 1
    (functions,) = (one for one in made if "they call" in one["Properties"].get("GroupDescription", ""))
    assert {rule["FromPort"] for rule in functions["Properties"]["SecurityGroupEgress"]} == {443, 6380}


def test_cfn_lint_finds_nothing_in_stacks_that_are_in_a_network(networked: Templates, tmp_path: Path) -> None:
    path = tmp_path / "real-time.template.json"
    path.write_text(json.dumps(networked.stacks["real-time"]))
    assert list(lint.lint(path, (*lint.IGNORED, *lint.DATED))) == []


def test_local_has_no_network() -> None:
    local: dict[str, Any] = dict(ENVIRONMENTS["local"])
    with pytest.raises(ValidationError, match="the emulator has no networks, so local cannot have `network`"):
        EnvironmentSettings(**{**local, "network": NetworkSettings()})


@pytest.mark.parametrize("cidr", ["8.8.0.0/16", "10.0.0.0/8", "10.0.0.0/24", "10.0.0.1/16", "ten", ""])
def test_a_range_that_no_network_of_ours_can_have(cidr: str) -> None:
    with pytest.raises(ValidationError, match=r"private range|no range"):
        NetworkSettings(cidr=cidr)
