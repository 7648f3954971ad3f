"""Examples that the help of each command ends with; each can be typed as it stands, with ids of one's own."""

_EVENT = "1532fa55-7c4d-42cb-a153-36c7cf6561b6"
_ALERT = "0b4a0c63-5a9f-4b3a-8f0e-6f2f6a8b1c7d"
_REFUSED = "01a22b9e5309ead7eaae82008ed02bde0dfd"

EXAMPLES: dict[str, tuple[str, ...]] = {
    "up": ("millrace up", "millrace up --no-events"),
    "down": ("millrace down", "millrace down --reset"),
    "send": ("millrace send events.ndjson", "cat events.ndjson | millrace send - --org org_acme"),
    "seed": ("millrace seed --count 1000", "millrace seed --days 45 --seed 7"),
    "events": ("millrace events latest --limit 5",),
    "events latest": (
        "millrace events latest --type order.created",
        "millrace events latest --limit 5 --json",
    ),
    "events story": (
        "millrace events story corr_17",
        "millrace events story order:ord_17 --by entity",
    ),
    "events tail": ("millrace events tail", "millrace events tail --type order.created --json"),
    "trace": (f"millrace trace {_EVENT}",),
    "quarantine": ("millrace quarantine summary",),
    "quarantine list": (
        "millrace quarantine list --status open --event-type order.created",
        "millrace quarantine list --code missing --from 2026-11-21T06:00:00Z",
    ),
    "quarantine summary": ("millrace quarantine summary --status open",),
    "quarantine show": (f"millrace quarantine show {_REFUSED}",),
    "quarantine edit": (f"EDITOR=nano millrace quarantine edit {_REFUSED}",),
    "quarantine replay": (
        "millrace quarantine replay --code missing --patch fix.json --dry-run",
        f"millrace quarantine replay --id {_REFUSED}",
    ),
    "quarantine discard": ("millrace quarantine discard --event-type order.test --dry-run",),
    "contracts": ("millrace contracts lint",),
    "contracts init": ("millrace contracts init --from samples.ndjson --type ticket.opened",),
    "contracts build": ("millrace contracts build",),
    "contracts lint": ("millrace contracts lint",),
    "contracts diff": ("millrace contracts diff", "millrace contracts diff main --fix"),
    "contracts docs": ("millrace contracts docs --out build/contracts",),
    "contracts publish": ("millrace contracts publish",),
    "contracts dictionaries": ("millrace contracts dictionaries",),
    "contracts announce": (
        "millrace contracts announce order.created --major 1 --ends 2027-03-01 \\\n"
        "  --decision docs/decisions/order-2.md",
    ),
    "contracts status": ("millrace contracts status",),
    "etl": ("millrace etl", "millrace etl --from 2026-11-01 --to 2026-11-07"),
    "query": (
        'millrace query "SELECT count(*) FROM silver.order_created_v1"',
        'millrace query "SELECT * FROM marts.revenue_by_day" --csv > revenue.csv',
    ),
    "sql": ("millrace sql", "millrace sql < report.sql"),
    "pending": ("millrace pending list",),
    "pending list": ("millrace pending list --org org_acme",),
    "pending set-aside": ("millrace pending set-aside --org org_acme --day 2026-11-20",),
    "pending take-in": ("millrace pending take-in --org org_acme --day 2026-11-20",),
    "fraud": ("millrace fraud explain txn_4711",),
    "fraud explain": ("millrace fraud explain txn_4711 --verify",),
    "fraud replay": ("millrace fraud replay --from 2026-11-01 --to 2026-11-07",),
    "backtest": (
        "millrace backtest --data transactions.parquet",
        "millrace backtest --data past/ --rules new.yaml --baseline old.yaml",
    ),
    "train": ("millrace train", "millrace train --data past/"),
    "models": ("millrace models list",),
    "models list": ("millrace models list --org org_acme",),
    "models show": ("millrace models show 3",),
    "models promote": ("millrace models promote 3",),
    "models rollback": ("millrace models rollback",),
    "watch": (
        "millrace watch",
        "millrace watch transactions_by_merchant --order -revenue",
        "millrace watch orders_by_user --by user=usr_4711 --window 1h --slide 5m",
    ),
    "alerts": ("millrace alerts list --state raised",),
    "alerts list": (
        "millrace alerts list --state raised",
        "millrace alerts list --from 2026-11-21T06:00:00Z --json",
    ),
    "alerts ack": (f'millrace alerts ack {_ALERT} --note "known"',),
    "alerts mute": (
        f'millrace alerts mute {_ALERT} \\\n  --for 2h --why "the shop moves"',
        f'millrace alerts mute {_ALERT} \\\n  --for 0m --why "it is over"',
    ),
    "patterns": ("millrace patterns test schemas/patterns/card_testing.yaml",),
    "patterns test": (
        "millrace patterns test schemas/patterns/card_testing.yaml",
        "millrace patterns test new.yaml --from 2026-11-20 --to 2026-11-21 --json",
    ),
    "sigma": ("millrace sigma test schemas/sigma/payout_large.yml",),
    "sigma test": (
        "millrace sigma test schemas/sigma/payout_large.yml",
        "millrace sigma test new.yml --from 2026-11-01 --to 2026-11-21 --examples 20",
    ),
    "status": ("millrace status", "millrace status --json"),
    "doctor": ("millrace doctor",),
    "reconcile": ("millrace reconcile", "millrace reconcile --from 2026-11-01 --org org_acme"),
    "rebuild": ("millrace rebuild --table UserEvents --into UserEventsNew",),
    "redrive": ("millrace redrive archive_events --dry-run", "millrace redrive archive_events"),
    "tenants": ("millrace tenants list",),
    "tenants list": ("millrace tenants list",),
    "tenants ids": ("millrace tenants ids any --org org_acme",),
    "keys": ("millrace keys list",),
    "keys create": (
        'millrace keys create --org org_acme --name "checkout" --scope events:write',
        "millrace keys create --org org_acme --name web \\\n"
        "  --scope events:write:public --origin https://shop.example",
    ),
    "keys list": ("millrace keys list",),
    "keys revoke": ("millrace keys revoke 3f9a1c04be7d",),
    "cost": ("millrace cost --rate 500", "millrace cost --rate 500 --mix traffic.yaml --monthly"),
    "preflight": ("millrace preflight --env dev",),
    "help": ("millrace help quarantine replay",),
}


def epilog(name: str) -> str | None:
    """The end of a command's help; None where it has no example."""
    lines = EXAMPLES.get(name)
    if lines is None:
        return None
    # The mark keeps the lines as they are.
    return "\n".join(
        ["\b", "Examples:" if len(lines) > 1 else "Example:", *(_indented(one) for one in lines)]
    )


def _indented(example: str) -> str:
    return "\n".join(f"  {line}" for line in example.split("\n"))
