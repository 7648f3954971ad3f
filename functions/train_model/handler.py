"""Edge: trains on a training set. Only on a laptop: on AWS the same job runs in SageMaker."""

import os
from functools import partial
from typing import Any

from aws_lambda_powertools import Logger

from functions.train_model.settings import Settings
from millrace.core.aws import client
from millrace.core.edge import Event, Handler, edge
from millrace.core.objects import Objects
from millrace.training.local_training import LocalTraining, run_job


@edge("train_model", Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Trains, and answers with the URL of the archive."""
    libraries = settings.libraries.split(os.pathsep)
    job = partial(run_job, seconds=settings.seconds, jobs=settings.jobs, libraries=libraries)
    training = LocalTraining(Objects(client("s3"), settings.lake_bucket), job)

    def train(event: Event, _: object) -> dict[str, Any]:
        run, org = event["runId"], event["org"]
        artifact, lines = training.train(run, org)
        answer = {"runId": run, "org": org, "artifact": artifact}
        log.info("trained", extra={**answer, "log": list(lines)})
        return answer

    return train
