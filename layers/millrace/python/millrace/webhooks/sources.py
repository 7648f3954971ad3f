"""The sources of kind webhook of an environment, from the bundle in force, each with its scheme and its mapping."""

from dataclasses import replace
from pathlib import Path

from millrace.core import bundle
from millrace.feeders import binding as bindings
from millrace.feeders.binding import Webhook
from millrace.webhooks import signatures
from millrace.webhooks.delivery import Delivery, Verify
from millrace.webhooks.mapping import Provider
from millrace.webhooks.messages import Reader

_SHARED: dict[str, Verify] = {
    "stripe": signatures.stripe,
    "standard": signatures.standard,
    "hubspot": signatures.hubspot,
}


def readers(environment: str, folder: Path | None = None) -> list[Reader]:
    """What reads deliveries of each source of an environment."""
    providers = bundle.load(_providers, folder)
    return [
        Reader(one, one.webhook, None if one.webhook.mapping is None else providers[one.webhook.mapping])
        for one in bindings.load(environment, folder)
        if one.webhook is not None
    ]


def verify_of(webhook: Webhook) -> Verify:
    """What verifies deliveries of a source."""
    if webhook.scheme == "sendgrid":
        # Imported here: a cold start without such a source does not pay for it.
        from millrace.webhooks.sendgrid import sendgrid  # noqa: PLC0415

        return sendgrid
    if webhook.scheme == "paypal":
        from millrace.webhooks.paypal import PayPal  # noqa: PLC0415

        return PayPal(sandbox=webhook.sandbox)
    if webhook.scheme == "hmac":
        return signatures.Hmac(
            webhook.header, webhook.algorithm, webhook.encoding, webhook.prefix, webhook.timestamp_header
        )
    verify = _SHARED[webhook.scheme]
    if not webhook.url:
        return verify
    return lambda delivery, secrets, now: verify(_called(delivery, webhook.url), secrets, now)


def _called(delivery: Delivery, url: str) -> Delivery:
    return replace(delivery, url=url)


def _providers(folder: Path) -> dict[str, Provider]:
    found = map(Provider.from_json, bundle.document(folder, bundle.WEBHOOKS))
    return {one.name: one for one in found}
