"""Starts the training job by hand in SageMaker, on a training set that the train_model machine built. Needs an AWS account.

The machine starts the same job by itself; this is for trying another instance or seed on the same rows. It runs in an
environment of its own, beside the platform's for the source archive:

    .venv/bin/python -m layers.source
    python3 -m venv .local/launch && .local/launch/bin/pip install -r training/requirements-launch.txt
    .local/launch/bin/python training/launch.py --role ROLE_ARN \
        --channel s3://LAKE/processed/ml-datasets/org=ORG/RUN/train/ --output s3://LAKE/processed/ml-datasets/org=ORG/RUN/by-hand/

Its archive, `model.tar.gz` below the output, is registered as any other: invoke register_models with its URL.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import boto3
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.shapes import StoppingCondition
from sagemaker.core.training.configs import Compute, InputData, OutputDataConfig, SourceCode
from sagemaker.train.model_trainer import ModelTrainer

ARCHIVE = Path(__file__).resolve().parent.parent / "build" / "training" / "sourcedir.tar.gz"
# The newest of SageMaker's scikit-learn containers; requirements.txt installs the libraries, so only its Python matters.
CONTAINER = "1.9-0"


def main(arguments: Sequence[str]) -> int:
    """Starts the job and waits for it, its log on the screen."""
    options = _parser().parse_args(arguments)
    if not ARCHIVE.is_file():
        sys.stderr.write(f"There is no {ARCHIVE}. Run `.venv/bin/python -m layers.source` first.\n")
        return 2
    # The library would check rights in networks that the job's role does not need.
    os.environ.setdefault("SAGEMAKER_VALIDATE_ROLE", "false")
    # The source goes beside the output: the role reads the lake, not a bucket that the library would make.
    output = urlsplit(options.output)
    session = Session(
        boto_session=boto3.Session(region_name=options.region),
        default_bucket=output.netloc,
        default_bucket_prefix=output.path.strip("/"),
    )
    trainer = ModelTrainer(
        sagemaker_session=session,
        role=options.role,
        base_job_name="millrace-fraud",
        training_image=image_uris.retrieve(
            "sklearn",
            session.boto_region_name,
            version=CONTAINER,
            py_version="py3",
            instance_type=options.instance,
            image_scope="training",
        ),
        source_code=SourceCode(
            source_dir=str(ARCHIVE), entry_script="train.py", requirements="requirements.txt"
        ),
        compute=Compute(instance_type=options.instance, instance_count=1),
        stopping_condition=StoppingCondition(max_runtime_in_seconds=options.seconds),
        output_data_config=OutputDataConfig(s3_output_path=options.output, kms_key_id=options.kms_key),
        hyperparameters={"seed": options.seed},
    )
    trainer.train(
        input_data_config=[InputData(channel_name="train", data_source=options.channel)],
        wait=not options.no_wait,
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Starts the training job by hand in SageMaker.")
    parser.add_argument("--role", required=True, help="ARN of the role that the job runs as")
    parser.add_argument("--channel", required=True, help="s3:// folder with rows.parquet and training.json")
    parser.add_argument("--output", required=True, help="s3:// folder for model.tar.gz")
    parser.add_argument("--kms-key", help="key that encrypts the output; without it the bucket's own")
    parser.add_argument("--region", help="as configured, unless given")
    parser.add_argument("--instance", default="ml.m5.xlarge")
    parser.add_argument("--seconds", type=int, default=3600, help="after which the job is ended")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--no-wait", action="store_true", help="return as soon as the job has started")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
