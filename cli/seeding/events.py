"""The three event types as a producer writes them."""

from collections.abc import Sequence
from datetime import datetime
from random import Random
from typing import Any
from uuid import UUID

from cli.seeding.people import Person, Product
from millrace.core import clock

Event = dict[str, Any]
SERVICES = ("checkout-api", "payment-gateway", "catalog-search", "session-store", "recommendations")


def uuid4(rng: Random) -> str:
    """A version 4 UUID derived from the seed."""
    return str(UUID(int=rng.getrandbits(128), version=4))


def transaction(
    rng: Random,
    person: Person,
    moment: datetime,
    *,
    cents: int,
    merchant: str,
    fraud: bool = False,
    method: str | None = None,
    location: str | None = None,
    device: str | None = None,
    correlation: str | None = None,
) -> Event:
    """A card payment. Its payload's timestamp has the offset of the place, which the fraud rules read.

    Args:
        rng: the random numbers of the seed.
        person: who pays.
        moment: when, in the time zone of the place.
        cents: the amount.
        merchant: who is paid.
        fraud: the label.
        method: how, if not as the person usually does.
        location: where, if not at home.
        device: from what, if not one of theirs.
        correlation: the flow it belongs to.
    """
    return {
        "eventId": uuid4(rng),
        "eventType": "transaction.created",
        "eventSource": "payments",
        "timestamp": clock.utc_text(moment),
        "version": "1.0.0",
        "correlationId": correlation or uuid4(rng),
        "userId": str(person.number),
        "sessionId": f"sess_{rng.getrandbits(48):012x}",
        "data": {
            "payload": {
                "transaction_id": f"txn_{rng.getrandbits(64):016x}",
                "user_id": person.number,
                "amount": cents / 100,
                "merchant": merchant,
                "timestamp": moment.isoformat(timespec="milliseconds"),
                "is_fraud": fraud,
                "payment_method": method or person.method,
                "location": location or person.location,
                "device_id": device or rng.choice(person.devices),
            }
        },
    }


def order(rng: Random, person: Person, moment: datetime, basket: Sequence[tuple[Product, int]]) -> Event:
    """An order whose total is the sum of its items."""
    number = rng.getrandbits(32)
    return {
        "eventId": uuid4(rng),
        "eventType": "order.created",
        "eventSource": "storefront",
        "timestamp": clock.utc_text(moment),
        "version": "1.0.0",
        "correlationId": uuid4(rng),
        "userId": str(person.number),
        "sessionId": f"sess_{rng.getrandbits(48):012x}",
        "data": {
            "payload": {
                "orderId": f"ord_{number:08x}",
                "userId": str(person.number),
                "items": [
                    {"productId": product.id, "quantity": quantity, "price": product.cents / 100}
                    for product, quantity in basket
                ],
                "totalAmount": sum(product.cents * quantity for product, quantity in basket) / 100,
                "currency": person.currency,
            },
            "metadata": {
                "paymentMethod": person.method,
                "shippingAddress": {
                    "street": f"{rng.randint(1, 180)} {rng.choice(('Mill Lane', 'Station Road', 'Weir Street'))}",
                    "city": person.city,
                    "country": person.country,
                },
            },
        },
    }


def health_check(rng: Random, moment: datetime) -> Event:
    """A service's report on itself, healthy nine times in ten."""
    status = rng.choices(("healthy", "degraded", "unhealthy"), (0.9, 0.08, 0.02))[0]
    slow = {"healthy": 3.2, "degraded": 5.6, "unhealthy": 7.6}[status]
    service = rng.choice(SERVICES)
    return {
        "eventId": uuid4(rng),
        "eventType": "system.health.check",
        "eventSource": "monitoring",
        "timestamp": clock.utc_text(moment),
        "version": "1.0.0",
        "data": {
            "payload": {
                "serviceName": service,
                "status": status,
                "responseTime": round(rng.lognormvariate(slow, 0.4), 1),
                "errorCount": 0 if status == "healthy" else rng.randint(1, 40),
            },
            "metadata": {
                "instanceId": f"{service}-{rng.randint(1, 3)}",
                "region": "eu-central-1",
                "availabilityZone": f"eu-central-1{rng.choice('abc')}",
            },
        },
    }
