"""Edge: takes what people ask for, and shows what became of it."""

from aws_lambda_powertools import Logger

from functions.change_subjects.settings import Settings
from millrace.api.guard import guard
from millrace.api.people import PeopleApi
from millrace.api.router import Router, routed
from millrace.core.aws import Lazy, client, links
from millrace.core.edge import Handler, edge
from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.people.assemble import asking
from millrace.people.holds import Holds
from millrace.people.signing import Signer
from millrace.privacy.assemble import subjects


@edge("change_subjects", Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Answers one call."""
    metadata, taken = Table(client("dynamodb"), settings.metadata_table), asking(settings)
    people = PeopleApi(
        taken,
        Holds(metadata, taken.people),
        taken.requests,
        metadata,
        Objects(client("s3"), settings.lake_bucket),
        lambda key, seconds: Objects(
            links(bucket_in_path=settings.environment == "local"), settings.lake_bucket
        ).link(key, seconds),
        Signer(Lazy("kms"), settings.signing_key_id),
        subjects(
            Table(client("dynamodb"), settings.subject_keys_table), metadata, settings.tenant_key_id
        ).users,
    )
    answers = {
        "DELETE /v1/subjects/{id}": people.erase,
        "GET /v1/subjects/{id}/erasure": people.erasure,
        "GET /v1/subjects/{id}/export": people.export,
        "POST /v1/subjects/{id}/export": people.export_anew,
        "PUT /v1/subjects/{id}/restriction": people.restrict,
        "DELETE /v1/subjects/{id}/restriction": people.unrestrict,
        "POST /v1/subjects/{id}/rectification": people.rectify,
        "PUT /v1/subjects/{id}/hold": people.hold,
        "DELETE /v1/subjects/{id}/hold": people.lift,
        "GET /v1/subjects/holds": people.holds,
        "GET /v1/subjects/requests": people.requests,
        "POST /v1/subjects/requests/{requestId}/done": people.done,
        "GET /v1/subjects/signing-key": people.signing_key,
    }
    return routed(Router(answers, log.warning, guard=guard(settings, log.warning)), log)
