"""Faults of policies, of what follows from them, and of access by request."""

from tests.support.mutants.mutant import LAYER, Mutant

_POLICIES = "tests/unit/access/test_policies.py"
_VISIBILITY = "tests/unit/access/test_visibility.py"
_GOLDEN = "tests/unit/compiler/test_golden_rights.py"
_REQUESTS = "tests/integration/test_access_requests.py"

MUTANTS = (
    Mutant(
        "a policy that cannot be evaluated permits",
        "right",
        f"{LAYER}/access/cedar.py",
        " and not result.diagnostics.errors",
        "",
        (_POLICIES,),
    ),
    Mutant(
        "a right reaches into other tenants",
        "isolation",
        "schemas/policies/tenants.cedar",
        "unless { resource == principal.tenant }",
        "unless { true }",
        (_POLICIES,),
    ),
    Mutant(
        "a public key may what it names",
        "right",
        "schemas/policies/keys.cedar",
        'unless { action == Action::"events:write:public" }',
        "unless { true }",
        (_POLICIES,),
    ),
    Mutant(
        "a role reads personal data",
        "right",
        "schemas/policies/roles.cedar",
        'Action::"subjects:write", Action::"personal:detokenise"',
        'Action::"subjects:write", Action::"personal:read", Action::"personal:detokenise"',
        (_POLICIES,),
    ),
    Mutant(
        "a query shows confidential values in clear",
        "right",
        f"{LAYER}/access/visibility.py",
        'return "token" if classification == "confidential" else "absent"',
        'return "clear" if classification == "confidential" else "absent"',
        (_VISIBILITY, _GOLDEN),
    ),
    Mutant(
        "a creator reads rows of others",
        "right",
        f"{LAYER}/access/visibility.py",
        "RowFilter((tenant, (owner, caller.owner)))",
        "RowFilter((tenant,))",
        (_VISIBILITY, _GOLDEN),
    ),
    Mutant(
        "Lake Formation grants columns that are sealed",
        "right",
        f"{LAYER}/compiler/lake_formation.py",
        'visibility.column(caller, dataset.name, of) in ("clear", "token")',
        'visibility.column(caller, dataset.name, of) in ("clear", "token", "absent")',
        (_GOLDEN,),
    ),
    Mutant(
        "people approve what they asked for themselves",
        "right",
        "schemas/policies/grants.cedar",
        '@id("never-ones-own")\nforbid',
        '@id("never-ones-own")\npermit',
        (_REQUESTS,),
    ),
    Mutant(
        "one person gives two approvals",
        "right",
        "schemas/policies/grants.cedar",
        "when { resource.approvedBy.contains(context.id) }",
        "when { false }",
        (_REQUESTS,),
    ),
    Mutant(
        "what was granted never ends",
        "right",
        "schemas/policies/grants.cedar",
        "resource.holder == context.id && context.now < resource.until",
        "resource.holder == context.id",
        (_REQUESTS,),
    ),
    Mutant(
        "of two approvals at once one is lost",
        "right",
        f"{LAYER}/access/grant_store.py",
        '"ConditionExpression": "version = :before"',
        '"ConditionExpression": "version >= :before"',
        (_REQUESTS,),
    ),
)
