"""Events for tests: realistic, valid, and as many as asked for."""

import random
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any


def new_id(rng: random.Random | None = None) -> str:
    """A uuid v4, from `rng` where the test must be repeatable."""
    return str(uuid.UUID(int=rng.getrandbits(128), version=4) if rng is not None else uuid.uuid4())


def moment(ago: timedelta = timedelta()) -> str:
    """A timestamp as clients write it."""
    return (datetime.now(UTC) - ago).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def order(**changes: Any) -> dict[str, Any]:
    """An `order.created`; keyword arguments replace envelope fields, `payload` replaces payload fields."""
    payload = {
        "orderId": f"ord_{uuid.uuid4().hex[:10]}",
        "userId": changes.pop("user", "usr_4711"),
        "items": [
            {"productId": "sku_beans", "quantity": 2, "price": 19.99},
            {"productId": "sku_paper", "quantity": 1, "price": 5.5},
        ],
        "totalAmount": 45.48,
        "currency": "EUR",
        **changes.pop("payload", {}),
    }
    return {
        "eventId": new_id(),
        "eventType": "order.created",
        "timestamp": moment(),
        "data": {"payload": payload, "metadata": {"paymentMethod": "card"}},
        "correlationId": "checkout-17",
        "sessionId": "ses_17",
        **changes,
    }


# Marked, so that a search of all stores finds them where they must not be.
ADDRESS = {
    "recipient": "Ann Marked",
    "street": "Marked Street 1",
    "city": "Markedville",
    "postalCode": "MARK-1",
    "country": "DE",
}


def shipped_order(**changes: Any) -> dict[str, Any]:
    """An `order.created` with an address: two restricted fields, and two confidential ones."""
    event = order(**changes)
    event["data"]["metadata"] = {"shippingAddress": {**ADDRESS}}
    return event


def transaction(**changes: Any) -> dict[str, Any]:
    """A `transaction.created`."""
    at = changes.pop("timestamp", moment())
    payload = {
        "transaction_id": f"txn_{uuid.uuid4().hex[:10]}",
        "user_id": changes.pop("user", 596),
        "amount": 57.16,
        "merchant": "terminal_3156",
        "timestamp": at,
        "is_fraud": False,
        "payment_method": "credit_card",
        "location": "Lisbon, Portugal",
        "device_id": "dev_7f3a",
        **changes.pop("payload", {}),
    }
    return {
        "eventId": new_id(),
        "eventType": "transaction.created",
        "timestamp": at,
        "data": {"payload": payload, "metadata": {}},
        **changes,
    }


def health_check(**changes: Any) -> dict[str, Any]:
    """A `system.health.check`: no user, no session."""
    return {
        "eventId": new_id(),
        "eventType": "system.health.check",
        "timestamp": moment(),
        "data": {
            "payload": {
                "serviceName": "checkout",
                "status": "healthy",
                "responseTime": 12.5,
                "errorCount": 0,
            },
            "metadata": {
                "instanceId": "i-0abc",
                "region": "eu-central-1",
                "availabilityZone": "eu-central-1a",
            },
        },
        **changes,
    }


def inference(**changes: Any) -> dict[str, Any]:
    """An event without a row (`store: none`)."""
    return {
        "eventId": new_id(),
        "eventType": "ml.model.inference",
        "timestamp": moment(),
        "data": {
            "payload": {
                "modelId": "churn",
                "modelVersion": "3",
                "input": {"orders": 4},
                "output": {"score": 0.2},
                "confidence": 0.9,
            }
        },
        **changes,
    }


def mixed(count: int, rng: random.Random) -> list[dict[str, Any]]:
    """Valid events of three types over the last three days, repeatable but for the days."""
    made = []
    for number in range(count):
        at = moment(timedelta(seconds=rng.uniform(0, 3 * 86400)))
        user = f"usr_{rng.randrange(200)}"
        if number % 3 == 0:
            event = order(user=user, timestamp=at, sessionId=f"ses_{rng.randrange(50)}")
        elif number % 3 == 1:
            event = transaction(user=rng.randrange(200), timestamp=at)
        else:
            event = health_check(timestamp=at)
        made.append({**event, "eventId": new_id(rng)})
    return made
