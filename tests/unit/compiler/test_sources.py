"""What `schemas/sources/` may say: a wrong source is a sentence with its place and what to write."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from millrace.compiler.event_contracts import compile_contracts
from millrace.compiler.places import located
from millrace.compiler.sources import ROUTED_SOURCE, compile_sources
from millrace.contracts.contract import Contract
from millrace.contracts.errors import ContractError
from millrace.feeders.binding import Binding
from millrace.routing.route import SOURCE

SCHEMAS = Path(__file__).parents[3] / "schemas"
BUS: dict[str, Any] = {
    "name": "shop",
    "description": "Orders of the shop.",
    "org": "org_acme",
    "environments": ["dev"],
    "kind": "bus",
    "bus": {"source": "shop"},
}

POSTGRES: dict[str, Any] = {
    "name": "shop-orders",
    "description": "Tables of the shop.",
    "org": "org_acme",
    "environments": ["dev"],
    "kind": "postgres",
    "postgres": {"host": "db.example.org", "database": "shop", "user": "millrace"},
}


@pytest.fixture(scope="module")
def shipped() -> list[Contract]:
    return compile_contracts(SCHEMAS)


def compiled(tmp_path: Path, contracts: list[Contract], document: dict[str, Any], name: str = "shop") -> Any:
    folder = tmp_path / "schemas" / "sources"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    return compile_sources(tmp_path / "schemas", contracts, [{"name": "stripe"}])


def test_a_source_of_a_bus_has_the_defaults_of_its_kind(tmp_path: Path, shipped: list[Contract]) -> None:
    (found,) = compiled(tmp_path, shipped, BUS)
    binding = Binding.from_json(found)
    assert (binding.name, binding.org, binding.environments) == ("shop", "org_acme", ("dev",))
    assert binding.bus is not None
    assert (binding.bus.bus, binding.bus.source) == ("default", "shop")
    assert (binding.bus.detail_types, binding.bus.event_type) == ((), None)


def test_a_source_of_a_database_has_the_defaults_of_its_kind(tmp_path: Path, shipped: list[Contract]) -> None:
    (found,) = compiled(tmp_path, shipped, POSTGRES, name="shop-orders")
    binding = Binding.from_json(found)
    assert binding.postgres is not None
    assert (binding.postgres.port, binding.postgres.publication) == (5432, "millrace")
    assert (binding.bus, binding.slot("dev")) == (None, "millrace_dev_shop_orders")


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in BUS.items() if key != name}


WRONG = {
    "no tenant": (without("org"), "schemas/sources/shop.yaml:1 /org: is missing"),
    "a tenant in capitals": (
        {**BUS, "org": "Acme"},
        'schemas/sources/shop.yaml:3 /org: a tenant is in small letters, such as org_acme, not "Acme"',
    ),
    "no environment": (
        {**BUS, "environments": ["qa"]},
        'schemas/sources/shop.yaml:5 /environments/0: "qa" is none of local, dev, staging, prod',
    ),
    "an environment twice": (
        {**BUS, "environments": ["dev", "dev"]},
        "schemas/sources/shop.yaml:4 /environments: an environment stands here twice",
    ),
    "what the platform publishes": (
        {**BUS, "bus": {"source": "millrace.events"}},
        "schemas/sources/shop.yaml:8 /bus/source: millrace.events is what the platform publishes: "
        "taken in again it would go round for ever",
    ),
    "a type misspelt": (
        {**BUS, "bus": {"source": "shop", "eventType": "order.create"}},
        "schemas/sources/shop.yaml:9 /bus/eventType: order.create is not a type that a client may send; "
        "did you mean order.created?",
    ),
    "a type of the platform": (
        {**BUS, "bus": {"source": "shop", "eventType": "fraud.decision.made"}},
        "schemas/sources/shop.yaml:9 /bus/eventType: fraud.decision.made is not a type that a client may send",
    ),
    "no settings of its kind": (
        without("bus"),
        "schemas/sources/shop.yaml:6 /kind: a source of kind bus has its settings below `bus:`",
    ),
    "a publication in capitals": (
        {**POSTGRES, "name": "shop", "postgres": {**POSTGRES["postgres"], "publication": "Shop"}},
        "schemas/sources/shop.yaml:11 /postgres/publication: a publication is called in small letters, digits and _, "
        'such as millrace, not "Shop"',
    ),
    "a setting misspelt": (
        {**BUS, "bus": {"source": "shop", "detailType": []}},
        "schemas/sources/shop.yaml:9 /bus/detailType: there is no such setting; did you mean detailTypes?",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_source_is_told_with_its_line(case: str, tmp_path: Path, shipped: list[Contract]) -> None:
    document, wanted = WRONG[case]
    with pytest.raises(ContractError) as refused:
        compiled(tmp_path, shipped, document)
    lines = located(refused.value, tmp_path)
    assert any(line.startswith(wanted) for line in lines), lines


HOOK: dict[str, Any] = {**without("bus"), "kind": "webhook", "webhook": {"scheme": "standard"}}
HMAC = {"scheme": "hmac", "hmac": {"header": "x-signature"}}
WRONG_HOOKS = {
    "a mapping misspelt": (
        {"scheme": "stripe", "mapping": "strip"},
        "there is no schemas/webhooks/strip.yaml",
    ),
    "a type of the platform": ({**HMAC, "eventType": "alert.raised"}, "alert.raised is not a type"),
    "a mapping and a type": (
        {"scheme": "stripe", "mapping": "stripe", "eventType": "order.created"},
        "/webhook/eventType: a mapping says it already",
    ),
    "two names": (
        {**HMAC, "idHeader": "x-id", "idPath": "id"},
        "a message is named by a header or by a path",
    ),
    "hmac without a header": ({"scheme": "hmac"}, "scheme hmac has its header below `hmac:`"),
    "personal data of a type": (
        {**HMAC, "eventType": "order.created", "personalData": "keep"},
        "/webhook/personalData: a mapping, or the contract",
    ),
    "a sandbox of others": (
        {"scheme": "stripe", "sandbox": True},
        "only PayPal signs otherwise in its sandbox",
    ),
    "a header without hmac": ({**HMAC, "scheme": "stripe"}, "scheme hmac has its header below `hmac:`"),
    "an address in clear": ({"scheme": "hubspot", "url": "http://a.example"}, "/webhook/url"),
    "a secret": ({"scheme": "stripe", "secret": "whsec_1"}, "there is no such setting"),
}


@pytest.mark.parametrize("case", WRONG_HOOKS)
def test_a_wrong_webhook_is_told_with_its_line(case: str, tmp_path: Path, shipped: list[Contract]) -> None:
    webhook, wanted = WRONG_HOOKS[case]
    with pytest.raises(ContractError) as refused:
        compiled(tmp_path, shipped, {**HOOK, "webhook": webhook})
    lines = located(refused.value, tmp_path)
    assert any(line.startswith("schemas/sources/shop.yaml:") and wanted in line for line in lines), lines


def test_a_webhook_has_the_settings_of_its_scheme(tmp_path: Path, shipped: list[Contract]) -> None:
    (standard,) = compiled(tmp_path, shipped, HOOK)
    webhook = Binding.from_json(standard).webhook
    assert webhook is not None
    assert (webhook.scheme, webhook.id_header, webhook.header) == ("standard", "webhook-id", "")
    (signed,) = compiled(tmp_path, shipped, {**HOOK, "webhook": HMAC})
    webhook = Binding.from_json(signed).webhook
    assert webhook is not None
    assert (webhook.header, webhook.algorithm, webhook.encoding) == ("x-signature", "sha256", "hex")


def test_a_name_fits_into_that_of_its_slot(tmp_path: Path, shipped: list[Contract]) -> None:
    longest = "a" * 46
    (found,) = compiled(tmp_path, shipped, {**POSTGRES, "name": longest}, name=longest)
    assert len(Binding.from_json(found).slot("staging")) == 63
    with pytest.raises(ContractError, match="at most 46 characters"):
        compiled(tmp_path, shipped, {**POSTGRES, "name": "b" * 47}, name="b" * 47)


def test_a_source_lies_in_the_file_of_its_name(tmp_path: Path, shipped: list[Contract]) -> None:
    with pytest.raises(ContractError, match=r"the source shop lies in shop\.yaml"):
        compiled(tmp_path, shipped, BUS, name="orders")


def test_what_may_not_be_bound_is_what_is_published() -> None:
    assert ROUTED_SOURCE == SOURCE
