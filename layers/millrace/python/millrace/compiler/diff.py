"""Whether a change of contracts breaks those who send or read events, or read tables. Pure: two lists in, reasons out.

Inside a major, a change may not refuse data once accepted, may not remove or retype a field, and may not take away a
way to find or receive events. What it may do is add fields that are optional, widen limits, and drop requirements; a
reader must expect fields it does not know and values beyond those it has seen.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from millrace.compiler import personal_data, retirements, up_converters, users
from millrace.compiler.schema_diff import Finding, compare_schemas, missing, same
from millrace.contracts import columns
from millrace.contracts.columns import WIDE_INTEGER, WIDE_MONEY, Scalar, Type, duckdb_type
from millrace.contracts.contract import CLASSES, PROTECTED, Contract
from millrace.contracts.schema import leaves
from millrace.contracts.tables import LakeTable

# Type → those into which its columns may grow.
WIDER = {"int": ("long", WIDE_INTEGER), "long": (WIDE_INTEGER,), "decimal": (WIDE_MONEY,)}
# What may change without a word: which dictionary packs new rows is not a promise, nor is what the history of minors tells.
_NO_PROMISE = frozenset({"version", "dictionary", "since"})


@dataclass(frozen=True, slots=True)
class Breaking:
    """One reason to refuse a change.

    Attributes:
        contract: such as `order.created.v1`.
        pointer: where in the event, or in the contract's own properties (`/retention`); empty for all of it.
        kind: `removed`, `retyped`, `redefined`, `required`, `narrowed`, `closed`, `moved`, `rule`, `access`, `protection`,
            `published`, `read`, `retention`, `retirement`, `version`.
        reason: a sentence.
    """

    contract: str
    pointer: str
    kind: str
    reason: str

    def to_json(self) -> dict[str, str]:
        """The form of the interface."""
        return {"contract": self.contract, "pointer": self.pointer, "kind": self.kind, "reason": self.reason}


def gate(
    before: Iterable[Contract],
    after: Iterable[Contract],
    today: date,
    needs: Mapping[str, int] | None = None,
) -> list[Breaking]:
    """Everything that forbids going from one set of contracts to the other.

    Args:
        before: the contracts of the base revision.
        after: those of the change. A new major stands beside the old one and is not compared with it.
        today: the UTC day of the comparison, from which announced ends are counted.
        needs: event type → days for which something (a window, a feature) needs its events kept; the command
            `contracts diff` does not collect them yet.
    """
    new = {contract.name: contract for contract in after}
    breaking: list[Breaking] = []
    for old in before:
        changed = new.get(old.name)
        if changed is None:
            reason = retirements.removal(old.retirement, old.retention_days, today)
            breaking += [Breaking(old.name, "", "removed", reason)] if reason is not None else []
        else:
            breaking += compare(old, changed, today)
            if reason := up_converters.removed(old, changed, new):
                breaking.append(Breaking(old.name, "/upConverter", "removed", reason))
    for contract in new.values():
        days = (needs or {}).get(contract.event_type, 0)
        if contract.retention_days < days:
            reason = f"kept for {contract.retention_days} days, but something needs it for {days}"
            breaking.append(Breaking(contract.name, "/retention", "retention", reason))
    return breaking


def compare(old: Contract, new: Contract, today: date) -> list[Breaking]:
    """What breaks between two states of one major on a UTC day, in the order of pointers."""
    findings = [
        *compare_schemas(old.data_schema, new.data_schema, "/data"),
        *_rules(old, new),
        *_access(old, new),
        *_flow(old, new),
        *_protection(old, new),
        *_silver(old, new),
        *_version(old, new),
        *_retirement(old, new, today),
    ]
    ordered = sorted(findings, key=lambda finding: (finding.pointer, finding.kind))
    return [Breaking(old.name, finding.pointer, finding.kind, finding.reason) for finding in ordered]


def notices(before: Iterable[Contract], after: Iterable[Contract]) -> list[str]:
    """What breaks no rule, and yet refuses events that were accepted: a field that an open type gets has a type."""
    new = {contract.name: contract for contract in after}
    sentences = []
    for old in before:
        changed = new.get(old.name)
        if changed is None:
            continue
        if (old.additional_properties, changed.additional_properties) == ("allow", "drop"):
            sentences.append(
                f"{old.name}: fields that the contract does not declare were kept in raw, and are left out of new events"
            )
        sentences += [
            f"{old.name}: events of persons who have not agreed to {rule['purpose']} were taken, and now it is {rule['without']}"
            for rule in changed.consent
            if rule not in old.consent
        ]
        if old.additional_properties == "reject":
            continue
        known = dict(leaves(old.data_schema, "/data"))
        added = [pointer for pointer, _ in leaves(changed.data_schema, "/data") if pointer not in known]
        for pointer in added:
            if not any(pointer.startswith(f"{other}/") for other in added):
                sentences.append(
                    f"{old.name} {pointer}: the type is open, so clients may send anything there already; intake will refuse "
                    "what does not fit, and silver keeps older rows without it"
                )
    return sentences


def _rules(old: Contract, new: Contract) -> Iterator[Finding]:
    for rule in new.rules:
        if rule["kind"] != "reference" and not any(_is_no_stricter(rule, known) for known in old.rules):
            pointer = rule.get("total") or rule.get("later") or rule["field"]
            yield Finding(
                pointer, "rule", f"a {rule['kind']} that was not there may refuse what was accepted"
            )
    if new.user_id_pointer not in (None, old.user_id_pointer):
        reason = "an event whose userId differs from it was accepted"
        yield Finding(str(new.user_id_pointer), "rule", reason)
    for pointer, reason in personal_data.stricter(old, new):
        yield Finding(pointer, "rule", reason)


def _is_no_stricter(rule: dict[str, Any], known: dict[str, Any]) -> bool:
    """Whether whatever breaks `rule` breaks `known` as well."""
    loose = {"tolerance", "equals"}
    if {k: v for k, v in rule.items() if k not in loose} != {
        k: v for k, v in known.items() if k not in loose
    }:
        return False
    return bool(
        rule.get("tolerance", 0) >= known.get("tolerance", 0)
        and not missing(rule.get("equals", ()), known.get("equals", ()))
    )


def _access(old: Contract, new: Contract) -> Iterator[Finding]:
    if new.store != old.store:
        yield Finding(
            "/store", "access", f"the store was {old.store}: events are found and counted in other ways"
        )
    for index in sorted(old.indexes - new.indexes):
        yield Finding("/indexes", "access", f"events were found by {index}")
    for name, pointer in old.entity.items():
        if new.entity.get(name) != pointer:
            yield Finding("/entity", "access", f"events were found by the {name} at {pointer}")
    if old.route and not new.route:
        yield Finding("/route", "access", "subscribers of the bus received it")
    if new.retention_days < old.retention_days:
        reason = f"events up to {old.retention_days} days old were accepted and kept"
        yield Finding("/retention", "retention", reason)


def _flow(old: Contract, new: Contract) -> Iterator[Finding]:
    """Who sends the events, what intake fills in, and how they go through the log and the lake."""
    if old.user_id_pointer not in (None, new.user_id_pointer):
        reason = f"events without a userId were found by the user at {old.user_id_pointer}"
        yield Finding("/userId", "access", reason)
    if old.partition_key not in (None, new.partition_key):
        yield Finding("/partitionKey", "access", "the log had the events of one key in order")
    if old.category != new.category:
        yield Finding("/category", "access", f"the lake kept them under {old.category}")
    for fact, pointer in old.enrich.items():
        if new.enrich.get(fact) != pointer:
            yield Finding("/enrich", "access", f"the {fact} of the request was found at {pointer}")
    if old.ids == "any" and new.ids != "any":
        yield Finding("/ids", "narrowed", "clients chose ids other than UUIDs")
    if new.lateness_seconds < old.lateness_seconds:
        reason = f"windows counted events that were up to {old.lateness_seconds} seconds late"
        yield Finding("/lateness", "narrowed", reason)
    if new.derived and not old.derived:
        yield Finding("/derived", "access", "clients sent these events, and now only the platform may")
    elif new.derived and new.tenant != old.tenant and old.tenant is not None:
        yield Finding("/tenant", "access", f"{old.tenant} sent these events")


def _protection(old: Contract, new: Contract) -> Iterator[Finding]:
    """Protecting more is not a break: it must never wait for a major. Protecting less shows what was promised to be hidden."""
    if old.subject not in (None, new.subject):
        yield Finding("/subject", "protection", f"a person was found, and is forgotten, by {old.subject}")
    for pointer, reason in users.weaker(old, new):
        yield Finding(pointer, "protection", reason)
    for pointer, before in old.classification.items():
        after = new.classification.get(pointer, before)
        if before in PROTECTED and CLASSES.index(after) < CLASSES.index(before):
            yield Finding(pointer, "protection", f"it was {before} and is {after}")


def _silver(old: Contract, new: Contract) -> Iterator[Finding]:
    """Columns that silver derives: whoever reads the table counts on them as on fields."""
    after = {column.name: column for column in columns.columns(new)}
    for rule in old.silver:
        name = rule["column"]
        before = next(column for column in columns.columns(old) if column.name == name)
        if name not in after:
            yield Finding("/silver", "removed", f"silver had the column {name}")
        elif after[name].type != before.type:
            yield Finding("/silver", "retyped", f"the column {name} of silver had another type")
        elif not same(_meaning(rule), next((_meaning(r) for r in new.silver if r["column"] == name), None)):
            yield Finding("/silver", "redefined", f"the column {name} of silver was derived in another way")


def _meaning(rule: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in rule.items() if name != "description"}


def _retirement(old: Contract, new: Contract, today: date) -> Iterator[Finding]:
    for reason in retirements.differences(old.retirement, new.retirement, today):
        yield Finding("/retirement", "retirement", reason)


def _version(old: Contract, new: Contract) -> Iterator[Finding]:
    before, after = _numbers(old), _numbers(new)
    if same(_promises(old), _promises(new)):
        if after < before:
            yield Finding("/version", "version", f"it was {old.version} already")
        return
    if after <= before:
        yield Finding(
            "/version", "version", f"the contract has changed since {old.version}: raise its version"
        )
    elif not same(_shape(old), _shape(new)) and after[:2] == before[:2]:
        # A client names the minor whose fields it knows; so fields change by minors.
        yield Finding(
            "/version", "version", f"its fields or rules have changed since {old.version}: raise the minor"
        )


def needed_version(old: Contract, new: Contract) -> str:
    """The version that a changed contract needs at least: the next minor if its fields or rules changed, else the next patch."""
    if same(_promises(old), _promises(new)):
        return old.version
    major, minor, patch = _numbers(old)
    changed = not same(_shape(old), _shape(new))
    return f"{major}.{minor + 1}.0" if changed else f"{major}.{minor}.{patch + 1}"


def _numbers(contract: Contract) -> tuple[int, ...]:
    return tuple(int(number) for number in contract.version.split("."))


def _promises(contract: Contract) -> dict[str, Any]:
    return {name: value for name, value in contract.to_json().items() if name not in _NO_PROMISE}


def _shape(contract: Contract) -> Any:
    def bare(schema: Any) -> Any:
        if isinstance(schema, dict):
            return {
                key: bare(part)
                for key, part in schema.items()
                if key != "description" or isinstance(part, dict)
            }
        return [bare(part) for part in schema] if isinstance(schema, list) else schema

    return bare(contract.data_schema), contract.ids, contract.rules, contract.silver, contract.classification


def gate_tables(before: Iterable[LakeTable], after: Iterable[LakeTable]) -> list[Breaking]:
    """Everything that forbids going from one set of tables to the other.

    A column may not go, nor change its type, but for a wider one of the same kind (`WIDER`), in which every value of the
    old one is the same number; a table may not go, nor change its partitions. Columns may come, and rules on rows may
    change: a reader of a table must expect columns that it does not know.
    """
    new = {table.full_name: table for table in after}
    breaking: list[Breaking] = []
    for old in before:
        changed = new.get(old.full_name)
        if changed is None:
            breaking.append(Breaking(old.full_name, "", "removed", "a table that is read is gone"))
        else:
            breaking += _table(old, changed)
    return breaking


def _table(old: LakeTable, new: LakeTable) -> Iterator[Breaking]:
    """What breaks between two states of a table, column by column."""
    name, columns = old.full_name, {column.name: column for column in new.columns}
    for column in old.columns:
        changed = columns.get(column.name)
        pointer = f"/{column.name}"
        if changed is None:
            yield Breaking(name, pointer, "removed", "a column that is read is gone")
        elif changed.type != column.type and not _wider(column.type, changed.type):
            reason = f"it was {duckdb_type(column.type)} and is {duckdb_type(changed.type)}"
            yield Breaking(name, pointer, "retyped", reason)
    if (old.grain, old.time_column) != (new.grain, new.time_column):
        yield Breaking(name, "/grain", "access", "its partitions are others, and files cannot change theirs")


def _wider(old: Type, new: Type) -> bool:
    return isinstance(old, Scalar) and isinstance(new, Scalar) and new.name in WIDER.get(old.name, ())
