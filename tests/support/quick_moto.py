"""moto and botocore without the work that they do again for every call: the same answers, in a fraction of the time."""

import threading
from functools import cache
from typing import Any

import botocore.hooks
import botocore.loaders
import botocore.session
import botocore.useragent
import jsonpath_ng.ext
from moto.core import models, responses, serialize
from moto.core.utils import unix_time_millis
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.table import Table
from moto.dynamodb.responses import DynamoHandler
from moto.kms import models as kms
from moto.sqs.models import Message, Queue

_read = cache(botocore.loaders.JSONFileLoader().load_file)
_cleaned = botocore.useragent.sanitize_user_agent_string_component
_structure: Any = serialize.ResponseSerializer._serialize_type_structure


_call_dynamodb: Any = DynamoHandler.call_action
_dynamodb = threading.RLock()
_aliased: dict[str, str] = {}
_alias = botocore.hooks.EventAliaser._alias_event_name


def _event_name(self: Any, name: str) -> str:
    if name not in _aliased:
        _aliased[name] = _alias(self, name)
    return _aliased[name]


def _all_items(table: Any) -> list[Any]:
    held = table.items.values()
    items = [item for one in held for item in one.values()] if table.range_key_attr else [*held]
    return sorted(items, key=_place)


def _place(item: Any) -> Any:
    first = item.hash_key.cast_value
    return (first, item.range_key.cast_value) if item.range_key else first


def _equal(one: Any, other: Any) -> bool:
    if one.type != other.type:
        return False
    return bool(one.value == other.value if one.type == "S" else one.cast_value == other.cast_value)


def _visible(queue: Any) -> list[Message]:
    now = unix_time_millis()
    return [one for one in queue._messages if one.visible_at < now and one.delayed_until <= now]


def _delayed(queue: Any) -> int:
    now = unix_time_millis()
    return sum(now < one.delayed_until for one in queue._messages)


def _invisible(queue: Any) -> int:
    now = unix_time_millis()
    return sum(now <= one.visible_at for one in queue._messages)


def _one_call_at_a_time(self: Any) -> Any:
    with _dynamodb:
        return _call_dynamodb(self)


def _value_or_structure(self: Any, serialized: Any, value: Any, shape: Any, key: str) -> None:
    if shape.name != "AttributeValue" or type(value) is not dict or not value.keys() <= shape.members.keys():
        _structure(self, serialized, value, shape, key)
        return
    wrapper = self.MAP_TYPE()
    for name, held in value.items():
        if held is not None:
            self._serialize(wrapper, held, shape.members[name], name)
    self._default_serialize(serialized, wrapper, shape, key)


_REPLACED: tuple[tuple[Any, str, Any], ...] = (
    # Each session reads the models of its services again, and there is one for each test.
    (botocore.loaders.JSONFileLoader, "load_file", lambda _, path: _read(path)),
    (botocore.session, "create_loader", cache(botocore.loaders.create_loader)),
    # Each session and client registers over a hundred handlers: it looks at the signature of each, and asks for the new name
    # of each event, which are always the same.
    (botocore.hooks, "accepts_kwargs", cache(botocore.hooks.accepts_kwargs)),
    (botocore.hooks.EventAliaser, "_alias_event_name", _event_name),
    # Every request names the versions of everything, and each of those words is cleaned letter by letter.
    (botocore.useragent, "sanitize_user_agent_string_component", cache(_cleaned)),
    # 1,300 patterns a test that catch the library `requests`, which nothing here calls on AWS.
    (models, "RESPONSES_METHODS", []),
    # Every call asks the class for all its methods.
    (responses, "method_names_from_class", cache(vars(responses)["method_names_from_class"])),
    # A pair of RSA keys for every key, also for those that are symmetric.
    (kms, "generate_private_key", cache(vars(kms)["generate_private_key"])),
    # Eight paths for every event that a rule takes, always the same.
    (jsonpath_ng.ext, "parse", cache(vars(jsonpath_ng.ext)["parse"])),
    # Every message that is sent counts those that are there, three times, and asks for the time at each of them.
    (Queue, "messages", property(_visible)),
    (Queue, "approximate_number_of_messages_delayed", property(_delayed)),
    (Queue, "approximate_number_of_messages_not_visible", property(_invisible)),
    # Each query sorts the whole table, and asks both sides of every comparison what kind of value they are.
    (Table, "all_items", _all_items),
    (DynamoType, "__eq__", _equal),
    # moto checks a condition and then writes; another thread may write between the two, which DynamoDB rules out.
    (DynamoHandler, "call_action", _one_call_at_a_time),
    # A value of a DynamoDB row has one member of ten, and each is looked for under every name that it might have.
    (serialize.ResponseSerializer, "_serialize_type_structure", _value_or_structure),
)


def install() -> None:
    """From here on, in this process."""
    for owner, name, replacement in _REPLACED:
        setattr(owner, name, replacement)
