"""Faults that let SQL of people see more than is theirs, or use more than there is for it."""

from tests.support.mutants.mutant import LAYER, Mutant

_QUERIES = f"{LAYER}/queries"
_ATTACKS = "tests/unit/queries/test_attacks.py"
_MASKS = "tests/unit/queries/test_masks.py"
_RUNNING = "tests/unit/queries/test_running.py"

MUTANTS = (
    Mutant(
        "a query for a column that is not shown leaves no line",
        "audit",
        f"{_QUERIES}/sentences.py",
        'return RefusedQueryError(f"the column',
        'return SqlError(f"the column',
        (_RUNNING,),
    ),
    Mutant(
        "a refused query is two lines of the audit",
        "audit",
        f"{LAYER}/api/query.py",
        "audited=True",
        "audited=False",
        (_RUNNING,),
    ),
    Mutant(
        "a query may use functions that are on no list",
        "right",
        f"{_QUERIES}/tree.py",
        "if name not in SCALARS and name not in TABLE_FUNCTIONS:",
        'if name == "":',
        (_ATTACKS,),
    ),
    Mutant(
        "DuckDB's own relations can be called as a part of the statement is",
        "right",
        f"{_QUERIES}/tree.py",
        ".isalnum() or name.startswith(SYSTEM_RELATIONS):",
        ".isalnum():",
        (_ATTACKS,),
    ),
    Mutant(
        "a query has a table of another catalog",
        "right",
        f"{_QUERIES}/tree.py",
        'if node.get("catalog_name"):',
        "if False:",
        (_ATTACKS,),
    ),
    Mutant(
        "a query reads rows of all tenants",
        "isolation",
        f"{_QUERIES}/materialize.py",
        'where = f" WHERE {source.where}" if source.where else ""',
        'where = ""',
        (_MASKS,),
    ),
    Mutant(
        "a query reads tables that its caller may not",
        "right",
        f"{_QUERIES}/service.py",
        "if may_read(reader, dataset):",
        "if dataset:",
        (_RUNNING,),
    ),
    Mutant(
        "a tenant sees when others commit",
        "isolation",
        f"{_QUERIES}/tables.py",
        "        return not reader.org\n",
        "        return True\n",
        (_RUNNING,),
    ),
    Mutant(
        "a confidential value from before fields were protected is shown",
        "right",
        f"{_QUERIES}/masks.py",
        'sql = f"CASE WHEN {is_token} THEN {identifier(name)} END"',
        "sql = identifier(name)",
        (_MASKS,),
    ),
    Mutant(
        "a column that no contract describes is shown",
        "right",
        f"{_QUERIES}/masks.py",
        '_UNKNOWN = "restricted"',
        '_UNKNOWN = "internal"',
        (_MASKS,),
    ),
    Mutant(
        "documents of raw have protected fields",
        "right",
        f"{_QUERIES}/masks.py",
        "if of in PROTECTED and pointer.startswith",
        "if of not in PROTECTED and pointer.startswith",
        (_MASKS,),
    ),
    Mutant(
        "a query runs with external access",
        "right",
        f"{_QUERIES}/sandbox.py",
        "SET enable_external_access = false; ",
        "",
        ("tests/unit/queries/test_sandbox.py",),
    ),
    Mutant(
        "a query's process has the function's environment",
        "right",
        f"{_QUERIES}/runner.py",
        "stderr=subprocess.PIPE, env=environment",
        "stderr=subprocess.PIPE, env={**os.environ, **environment}",
        ("tests/unit/queries/test_sandbox.py",),
    ),
    Mutant(
        "a tenant cancels another's query",
        "isolation",
        f"{_QUERIES}/running.py",
        "return keys.metadata(org, QUERY)",
        'return keys.metadata("all", QUERY)',
        (_RUNNING,),
    ),
    Mutant(
        "a query that was cancelled goes on",
        "right",
        f"{_QUERIES}/running.py",
        'if row is None or "cancelled" in row:',
        "if row is None:",
        (_RUNNING,),
    ),
    Mutant(
        "a mart shows what is protected in silver",
        "right",
        f"{LAYER}/compiler/warehouse/protection.py",
        "if of in PROTECTED and CLASSES.index(of) > CLASSES.index(column.classification):",
        "if of == column.name:",
        ("tests/unit/compiler/test_protection.py",),
    ),
)
