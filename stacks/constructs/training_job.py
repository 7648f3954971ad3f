"""What a SageMaker training job of ours is made of: the image, the script, and a role that sees training sets only."""

import json
from pathlib import Path

from aws_cdk import Aws, CfnMapping
from aws_cdk import aws_s3_assets as assets
from constructs import Construct

from layers import source
from millrace.training.locations import DATASETS
from stacks.constructs.platform_role import PlatformRole
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
        self.role = PlatformRole(self, "sagemaker")
        self._allow_image(f"arn:{Aws.PARTITION}:ecr:{Aws.REGION}:{account}:repository/{images['repository']}")
        self._allow_files(storage, archive)
        self._allow_logs()

    def _allow_image(self, repository: str) -> None:
        self.role.allow(
            "ecr:BatchCheckLayerAvailability",
            "ecr:BatchGetImage",
            "ecr:GetDownloadUrlForLayer",
            on=[repository],
        )
        self.role.allow_wildcard(
            "PullToken",
            "ecr:GetAuthorizationToken",
            on="*",
            reason="A token for signing in to the registry is of no repository, so the action takes no resource.",
        )

    def _allow_files(self, storage: StorageStack, archive: assets.Asset) -> None:
        self.role.allow("s3:GetObject", on=[archive.bucket.arn_for_objects(archive.s3_object_key)])
        self.role.allow_objects(
            "s3:GetObject",
            "s3:PutObject",
            bucket=storage.lake,
            prefix=DATASETS,
            reason="A training set and what is made of it lie below the run's name.",
        )
        self.role.allow_listing(storage.lake, [DATASETS])
        self.role.allow_key(storage.data_key, "kms:Decrypt", "kms:GenerateDataKey", through=("s3",))
        # For a job whose output names a key, and not said to be through S3 only.
        # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_OutputDataConfig.html
        self.role.allow("kms:Encrypt", on=[storage.data_key.key_arn])

    def _allow_logs(self) -> None:
        self.role.allow_wildcard(
            "Logs",
            "logs:CreateLogGroup",
            "logs:CreateLogStream",
            "logs:DescribeLogStreams",
            "logs:PutLogEvents",
            on=f"arn:{Aws.PARTITION}:logs:{Aws.REGION}:{Aws.ACCOUNT_ID}:log-group:{LOGS}:*",
            reason="SageMaker names the streams of its log group by job.",
        )
        self.role.allow_wildcard(
            "Metrics",
            "cloudwatch:PutMetricData",
            on="*",
            reason="Metrics are not resources; the namespace is SageMaker's.",
            conditions={"StringEquals": {"cloudwatch:namespace": LOGS}},
        )
