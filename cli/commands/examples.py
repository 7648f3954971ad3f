"""Examples that the help of each command ends with; each can be typed as it stands, with ids of one's own."""

_EVENT = "1532fa55-7c4d-42cb-a153-36c7cf6561b6"
_ALERT = "0b4a0c63-5a9f-4b3a-8f0e-6f2f6a8b1c7d"
_GRANT = "20261130T121314123-9f3a0c12d4"
_REFUSED = "01a22b9e5309ead7eaae82008ed02bde0dfd"

EXAMPLES: dict[str, tuple[str, ...]] = {
    "up": ("millrace up", "millrace up --no-events"),
    "down": ("millrace down", "millrace down --reset"),
    "send": ("millrace send events.ndjson", "cat events.ndjson | millrace send - --org org_acme"),
    "import": (
        "millrace import orders.csv --type order.created --dry-run",
        "millrace import payments.csv --type payment.captured --refused bad.csv",
    ),
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
    "contracts table": ("millrace contracts table shop-orders public.orders",),
    "contracts build": ("millrace contracts build",),
    "contracts lint": ("millrace contracts lint",),
    "contracts rights": ("millrace contracts rights",),
    "contracts diff": ("millrace contracts diff", "millrace contracts diff main --fix"),
    "contracts docs": ("millrace contracts docs --out build/contracts",),
    "contracts publish": ("millrace contracts publish",),
    "contracts dictionaries": ("millrace contracts dictionaries",),
    "contracts announce": (
        "millrace contracts announce order.created --major 1 --ends 2027-03-01 \\\n"
        "  --decision docs/decisions/order-2.md",
    ),
    "contracts unused": (
        "millrace contracts unused",
        "millrace contracts unused --type order.created --json",
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
    "erase": (
        'millrace erase usr_4711 --reason "asked for by letter" \\\n  --wait --certificate erased.json',
        "millrace erase --verify erased.json --key millrace.pem",
    ),
    "export": ("millrace export usr_4711 --out usr_4711.zip",),
    "privacy": ("millrace privacy report --json",),
    "privacy number": (
        "millrace privacy number usr_4711",
        "millrace privacy number --by-number 5021846650738291",
    ),
    "privacy requests": (
        "millrace privacy requests --state open",
        "millrace privacy requests --kind rectify --json",
    ),
    "privacy restrict": ('millrace privacy restrict usr_4711 --reason "case 17"',),
    "privacy release": ("millrace privacy release usr_4711",),
    "privacy rectify": ('millrace privacy rectify usr_4711 --reason "the street"',),
    "privacy done": (
        'millrace privacy done 0193f0c1-7b1e-7d53-b5a4-2a5f0c6b9d01 \\\n  --note "sent the right street"',
    ),
    "privacy detokenise": (
        "millrace privacy detokenise tk_3q2-7wAAAAAAAAAAAAAAAA \\\n"
        "  --event 0f9f6f0e-6c6c-4a52-9a5e-3d8c3f3f5b11 \\\n"
        '  --purpose customer-support --reason "parcel 17"',
    ),
    "privacy report": (
        "millrace privacy report --html report.html --pdf report.pdf",
        "millrace privacy report --days 365 --json",
    ),
    "holds": ("millrace holds list",),
    "holds list": ("millrace holds list --org org_acme",),
    "holds set": ('millrace holds set usr_4711 --why "case 2026-17"',),
    "holds lift": ("millrace holds lift usr_4711",),
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
    "sources": ("millrace sources list",),
    "sources show": ("millrace sources show stripe --hours 48 --org org_acme",),
    "sources backfill": ("STRIPE_API_KEY=… millrace sources backfill stripe --from 2026-11-20",),
    "sources list": ("millrace sources list --org org_acme",),
    "sources pause": ("millrace sources pause stripe",),
    "sources read": ("PGPASSWORD=… millrace sources read shop",),
    "sources restart": ("millrace sources restart shop",),
    "sources resume": ("millrace sources resume stripe",),
    "sources secret": (
        'printf %s "$SECRET" | millrace sources secret stripe',
        'printf %s "$SECRET" | millrace sources secret stripe --overlap 7d',
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
    "protect": ("millrace protect --dry-run", "millrace protect --org org_acme --rate 50"),
    "rebuild": ("millrace rebuild --table UserEvents --into UserEventsNew",),
    "redrive": ("millrace redrive archive_events --dry-run", "millrace redrive archive_events"),
    "anonymised": ("millrace anonymised list",),
    "anonymised list": ("millrace anonymised list --json",),
    "anonymised release": ("millrace anonymised release orders_by_month 2026-10",),
    "anonymised show": ("millrace anonymised show orders_by_month 2026-10 --json",),
    "consents": ("millrace consents list usr_4711",),
    "consents list": ("millrace consents list usr_4711 --json",),
    "consents grant": ("millrace consents grant usr_4711 marketing",),
    "consents withdraw": ("millrace consents withdraw usr_4711 marketing",),
    "tenants": ("millrace tenants list",),
    "tenants list": ("millrace tenants list",),
    "tenants create": ("millrace tenants create org_new --name New --admin ana@example.com",),
    "tenants suspend": ("millrace tenants suspend org_new",),
    "tenants resume": ("millrace tenants resume org_new",),
    "users": ("millrace users list",),
    "users reset": (
        "millrace users reset ana@example.com",
        "millrace users reset 0d6a1f9e-6a4e-4c8e-9b1b-6f0c2d1e7a90",
    ),
    "users invite": ("millrace users invite ana@example.com --role analyst",),
    "users list": ("millrace users list --org org_acme",),
    "users roles": (f"millrace users roles {_EVENT} --role analyst",),
    "users disable": (f"millrace users disable {_EVENT}",),
    "users enable": (f"millrace users enable {_EVENT}",),
    "users sign-out": (f"millrace users sign-out {_EVENT}",),
    "users remove": (f"millrace users remove {_EVENT}",),
    "roles": ("millrace roles list",),
    "roles list": ("millrace roles list",),
    "login": (
        "millrace login --user ana@example.com",
        "millrace login --user ana@example.com --totp 123456 --org org_acme",
    ),
    "logout": ("millrace logout",),
    "tenants ids": ("millrace tenants ids any --org org_acme",),
    "keys": ("millrace keys list",),
    "keys create": (
        'millrace keys create --org org_acme --name "checkout" --scope events:write',
        "millrace keys create --org org_acme --name web \\\n"
        "  --scope events:write:public --origin https://shop.example",
    ),
    "keys list": ("millrace keys list", "millrace keys list --org org_acme --json"),
    "keys rotate": ("millrace keys rotate 3f9a1c04be7d --overlap 24h",),
    "keys bind-role": (
        "millrace keys bind-role arn:aws:iam::111122223333:role/loader \\\n"
        "  --org org_acme --scope events:write",
    ),
    "keys unbind-role": ("millrace keys unbind-role arn:aws:iam::111122223333:role/loader",),
    "keys list-roles": ("millrace keys list-roles",),
    "keys revoke": ("millrace keys revoke 3f9a1c04be7d",),
    "grants": ("millrace grants list --state requested",),
    "grants list": ("millrace grants list --state requested", "millrace grants list --mine --json"),
    "grants request": ("millrace grants request 'silver.*' --purpose research --reason why --for 30d",),
    "grants approve": (f"millrace grants approve {_GRANT}",),
    "grants refuse": (f"millrace grants refuse {_GRANT} --reason 'no'",),
    "grants revoke": (f"millrace grants revoke {_GRANT}",),
    "audit": ("millrace audit list --limit 10",),
    "audit list": (
        "millrace audit list --action keys.create",
        "millrace audit list --subject usr_4711",
        "millrace audit list --from 2026-11-21T06:00:00Z --json",
    ),
    "audit verify": ("millrace audit verify", "millrace audit verify --file audit.ndjson"),
    "audit logs": (
        "millrace audit logs --env prod --status 401",
        "millrace audit logs --env prod --from 2026-11-21 --org org_acme --json",
    ),
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
