"""The layers of a stack's functions, and the rule that keeps a stack with an unbuilt layer from being deployed."""

from pathlib import Path

from aws_cdk import AssetHashType, CfnRule, CfnRuleAssertion, Fn, RemovalPolicy, Stack
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from layers import build
from stacks.settings import EnvironmentSettings

UNBUILT_RULE = "ThirdPartyLayersAreBuilt"


class FunctionLayers(Construct):
    """One layer version each, made for the environment's interpreter and architecture."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: EnvironmentSettings,
        third_party: tuple[str, ...],
        folder: Path = build.BUILD,
    ) -> None:
        super().__init__(scope, construct_id)
        platform = build.platform_layer(settings.name, build=folder)
        # Changes whenever our code or a contract does.
        self.revision = platform.revision
        self.bundle = platform.path / "python" / "millrace" / "bundle"
        made = [
            platform,
            *(build.third_party_layer(name, settings.name, build=folder) for name in third_party),
        ]
        self._versions = {layer.name: self._version(layer, settings) for layer in made}
        missing = [layer.name for layer in made if not layer.built]
        if missing:
            self._refuse_to_deploy(missing, settings)

    def named(self, *names: str) -> list[lambda_.ILayerVersion]:
        """The platform's own layer and the named third-party ones."""
        return [self._versions[name] for name in ("millrace", *names)]

    def _version(self, layer: build.Layer, settings: EnvironmentSettings) -> lambda_.LayerVersion:
        # The revision identifies the content, so 150 MB of Arrow need not be hashed at every synth.
        state = layer.revision if layer.built else f"{layer.revision}-unbuilt"
        return lambda_.LayerVersion(
            self,
            layer.name.capitalize(),
            code=lambda_.Code.from_asset(
                str(layer.code), asset_hash=f"{layer.name}-{state}", asset_hash_type=AssetHashType.CUSTOM
            ),
            compatible_runtimes=[lambda_.Runtime(settings.runtime, lambda_.RuntimeFamily.PYTHON)],
            removal_policy=RemovalPolicy.DESTROY,
        )

    def _refuse_to_deploy(self, missing: list[str], settings: EnvironmentSettings) -> None:
        sentence = (
            f"Layers not built: {', '.join(missing)}. Run `make layers ENV={settings.name}`, then deploy."
        )
        rule = CfnRule(
            Stack.of(self),
            UNBUILT_RULE,
            assertions=[
                CfnRuleAssertion(assert_=Fn.condition_equals("unbuilt", "built"), assert_description=sentence)
            ],
        )
        rule.override_logical_id(UNBUILT_RULE)
