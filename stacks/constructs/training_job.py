"""What a SageMaker training job of ours is made of: the image, the script, and a role that sees training sets only."""

import json
from pathlib import Path

from aws_cdk import Aws, CfnMapping, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3_assets as assets
from constructs import Construct

from layers import source
from millrace.training.locations import DATASETS
from stacks.constructs.platform_function import imported
from stacks.constructs.waivers import waive
from stacks.storage import StorageStack

IMAGES = Path(__file__).with_name("training_images.json")
LOGS = "/aws/sagemaker/TrainingJobs"


class TrainingJob(Construct):
    """The parts of a job that do not change from run to run."""

    def __init__(self, scope: Construct, construct_id: str, *, storage: StorageStack, folder: Path) -> None:
        """Makes the role and the archive.

        Args:
            scope: the stack.
            construct_id: its name there.
            storage: the lake and its key.
            folder: where the archive is packed before it becomes an asset.
        """
        super().__init__(scope, construct_id)
        images = json.loads(IMAGES.read_text())
        accounts = CfnMapping(
            self,
            "Accounts",
            mapping={region: {"account": account} for region, account in images["accounts"].items()},
        )
        account = accounts.find_in_map(Aws.REGION, "account")
        self.image = f"{account}.dkr.ecr.{Aws.REGION}.{Aws.URL_SUFFIX}/{images['repository']}:{images['tag']}"
        archive = assets.Asset(self, "Source", path=str(source.write(folder / "sourcedir.tar.gz")))
        self.source = archive.s3_object_url
        self.role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com"))
        repository = f"arn:{Aws.PARTITION}:ecr:{Aws.REGION}:{account}:repository/{images['repository']}"
        self._image(repository)
        self._files(storage, archive)
        self._logs()

    def _image(self, repository: str) -> None:
        self._allow(
            "Pull",
            ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            [repository],
        )
        waive(
            self._allow("PullToken", ["ecr:GetAuthorizationToken"], ["*"]),
            "IAM5",
            "A token for signing in to the registry is of no repository, so the action takes no resource.",
            finding="Resource::*",
        )

    def _files(self, storage: StorageStack, archive: assets.Asset) -> None:
        self._allow("Script", ["s3:GetObject"], [archive.bucket.arn_for_objects(archive.s3_object_key)])
        sets = f"{DATASETS}*"
        waive(
            self._allow("Sets", ["s3:GetObject", "s3:PutObject"], [storage.lake.arn_for_objects(sets)]),
            "IAM5",
            "A training set and what is made of it lie below the run's name.",
            finding=f"Resource::{imported(storage.lake)}/{sets}",
        )
        listed = iam.PolicyStatement(
            actions=["s3:ListBucket"],
            resources=[storage.lake.bucket_arn],
            conditions={"StringLike": {"s3:prefix": [sets]}},
        )
        self._attach("List", listed)
        key = iam.PolicyStatement(
            actions=["kms:Decrypt", "kms:GenerateDataKey"],
            resources=[storage.data_key.key_arn],
            conditions={"StringEquals": {"kms:ViaService": f"s3.{Stack.of(self).region}.amazonaws.com"}},
        )
        self._attach("Key", key)

    def _logs(self) -> None:
        place = f"{Aws.REGION}:{Aws.ACCOUNT_ID}"
        waive(
            self._allow(
                "Logs",
                [
                    "logs:CreateLogGroup",
                    "logs:CreateLogStream",
                    "logs:DescribeLogStreams",
                    "logs:PutLogEvents",
                ],
                [f"arn:{Aws.PARTITION}:logs:{place}:log-group:{LOGS}:*"],
            ),
            "IAM5",
            "SageMaker names the streams of its log group by job.",
            finding=f"Resource::arn:<AWS::Partition>:logs:<AWS::Region>:<AWS::AccountId>:log-group:{LOGS}:*",
        )
        metrics = iam.PolicyStatement(
            actions=["cloudwatch:PutMetricData"],
            resources=["*"],
            conditions={"StringEquals": {"cloudwatch:namespace": LOGS}},
        )
        waive(
            self._attach("Metrics", metrics),
            "IAM5",
            "Metrics are no resources; the namespace is SageMaker's.",
            finding="Resource::*",
        )

    def _allow(self, construct_id: str, actions: list[str], resources: list[str]) -> iam.Policy:
        return self._attach(construct_id, iam.PolicyStatement(actions=actions, resources=resources))

    def _attach(self, construct_id: str, statement: iam.PolicyStatement) -> iam.Policy:
        policy = iam.Policy(self, construct_id, statements=[statement])
        policy.attach_to_role(self.role)
        return policy
