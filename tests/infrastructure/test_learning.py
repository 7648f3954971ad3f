"""Training on AWS: the job's role sees training sets and nothing else, and the machine may run no other job."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from layers import source
from stacks.constructs.training_job import IMAGES
from stacks.environment import ENVIRONMENTS
from stacks.settings_parts import LearningSettings
from tests.support.templates import Templates, as_list

AWS = ("dev", "staging", "prod")


def of_job(every: Templates) -> list[tuple[str, dict[str, Any]]]:
    """The statements of the job's role, by the policy's name."""
    return [
        (name.removeprefix("LearningTrainingJobRole"), one)
        for name, one in every.statements()
        if name.startswith("LearningTrainingJob")
    ]


def test_only_where_there_are_jobs_there_is_a_role_for_them(every: Templates) -> None:
    roles = {
        name: role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        for name, role in every.resources("AWS::IAM::Role").items()
        if "sagemaker" in str(role["Properties"]["AssumeRolePolicyDocument"])
    }
    assert len(roles) == (1 if every.environment in AWS else 0)
    for statements in roles.values():
        (trust,) = statements
        assert trust["Principal"] == {"Service": "sagemaker.amazonaws.com"}


def test_the_job_reaches_training_sets_its_script_its_image_and_its_log(every: Templates) -> None:
    if every.environment not in AWS:
        assert of_job(every) == []
        return
    allowed = {action for _, one in of_job(every) for action in as_list(one["Action"])}
    assert allowed == {
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:GetDownloadUrlForLayer",
        "ecr:GetAuthorizationToken",
        "s3:GetObject",
        "s3:PutObject",
        "s3:ListBucket",
        "kms:Decrypt",
        "kms:Encrypt",
        "kms:GenerateDataKey",
        "logs:CreateLogGroup",
        "logs:CreateLogStream",
        "logs:DescribeLogStreams",
        "logs:PutLogEvents",
        "cloudwatch:PutMetricData",
    }
    for name, one in of_job(every):
        actions, where = as_list(one["Action"]), str(one["Resource"])
        if "s3:PutObject" in actions:
            assert "/processed/ml-datasets/*" in where
        if "s3:ListBucket" in actions:
            assert one["Condition"]["StringLike"]["s3:prefix"] == ["processed/ml-datasets/*"]
        if "kms:Decrypt" in actions:
            assert list(one["Condition"]["StringEquals"]) == ["kms:ViaService"]
        if where == "*":
            assert actions in (["ecr:GetAuthorizationToken"], ["cloudwatch:PutMetricData"])
        if name.startswith("Logs"):
            assert "/aws/sagemaker/TrainingJobs:*" in where


def test_the_machine_may_run_jobs_of_this_environment_and_hand_over_this_role_only(every: Templates) -> None:
    mine = {name: one for name, one in every.statements() if name.startswith("traintenants")}
    passed = [one for one in mine.values() if "iam:PassRole" in as_list(one["Action"])]
    jobs = [one for one in mine.values() if "sagemaker:CreateTrainingJob" in as_list(one["Action"])]
    if every.environment not in AWS:
        assert passed == jobs == []
        return
    ((job,), (role,)) = jobs, passed
    assert f"training-job/millrace-{every.environment}-*" in str(job["Resource"])
    assert set(as_list(job["Action"])) == {
        "sagemaker:AddTags",
        "sagemaker:CreateTrainingJob",
        "sagemaker:DescribeTrainingJob",
        "sagemaker:ListTags",
        "sagemaker:StopTrainingJob",
    }
    assert role["Condition"] == {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    assert "LearningTrainingJobRole" in str(role["Resource"])


def test_the_machine_knows_where_to_train_and_how_long(every: Templates) -> None:
    machine = every.one("AWS::StepFunctions::StateMachine", "traintenants")["Properties"]
    filled, settings = machine["DefinitionSubstitutions"], ENVIRONMENTS[every.environment].learning
    assert filled["TrainIn"] == settings.train_in == ("sagemaker" if every.environment in AWS else "lambda")
    assert (filled["MaxRuntime"], filled["MaxWait"], filled["ManagedSpot"]) == ("7200", "43200", "true")
    if every.environment in AWS:
        assert filled["TrainModel"] == "-"
        assert "sagemaker-scikit-learn:1.9-0-cpu-py3" in str(filled["TrainingImage"])
        assert "Fn::FindInMap" in str(filled["TrainingImage"])
        assert str(filled["TrainingSource"]).count("s3://") == 1
    else:
        assert {filled[name] for name in ("TrainingRole", "TrainingImage", "TrainingSource")} == {"-"}


def test_every_region_has_its_account() -> None:
    accounts = json.loads(IMAGES.read_text())["accounts"]
    assert {"eu-central-1", "eu-west-1", "us-east-1"} <= set(accounts)
    assert all(len(account) == 12 and account.isdigit() for account in accounts.values())


def test_the_archive_holds_the_script_and_its_requirements() -> None:
    names = set(source.files())
    assert {
        "train.py",
        "requirements.txt",
        "millrace/training/job.py",
        "millrace/model_registry/artifact.py",
    } <= names


def test_mlflow_is_nowhere_unless_an_environment_says_where(every: Templates) -> None:
    for stem in ("register_models", "move_model"):
        uri = every.functions()[stem]["Properties"]["Environment"]["Variables"]["TRACKING_URI"]
        assert uri == ("http://127.0.0.1:5500" if every.environment == "local" else "")


@pytest.mark.parametrize(
    "wrong",
    [
        {"tracking_uri": "mlflow.example.com"},
        {"train_in": "laptop"},
        {"instance_type": "m5.xlarge"},
        {"longest_hours": 5, "longest_wait_hours": 4},
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        LearningSettings(**wrong)
