"""Faults in what is found of personal data, what is left out of events, and what persons have agreed to."""

from tests.support.mutants.mutant import LAYER, Mutant

CONSENT = ("tests/unit/privacy/test_consent.py",)
HEEDED = ("tests/unit/intake/test_consent.py",)
LESS = ("tests/unit/intake/test_minimisation.py",)
GROUPED = ("tests/unit/anonymised/test_grouping.py",)

MUTANTS = (
    Mutant(
        "a withdrawal counts for its own version only",
        "H4",
        f"{LAYER}/privacy/consent.py",
        "return statement.granted and (statement.version >= purpose.version or purpose.default)",
        "return statement.granted or (statement.version < purpose.version and purpose.default)",
        CONSENT,
    ),
    Mutant(
        "a dropped event is kept in quarantine",
        "H4",
        f"{LAYER}/intake/consent.py",
        'kept=without == "refuse"',
        "kept=True",
        HEEDED,
    ),
    Mutant(
        "events are taken where consents cannot be read",
        "H4",
        f"{LAYER}/intake/accept.py",
        "            for case, _ in asked:\n                case.valid = None\n",
        "",
        HEEDED,
    ),
    Mutant(
        "other fields that are left out make another event",
        "H4",
        f"{LAYER}/intake/accept.py",
        "made = made_of(content.rewritten(event) if dropped else compared)",
        "made = made_of(compared)",
        LESS,
    ),
    Mutant(
        "a name that is personal data is shown",
        "H4",
        f"{LAYER}/privacy/search.py",
        "yield (*path, ANY), found",
        "yield (*path, key), found",
        ("tests/unit/privacy/test_search.py",),
    ),
    Mutant(
        "any sixteen digits are a card",
        "H4",
        f"{LAYER}/privacy/payments.py",
        "if _is_of_scheme(digits) and luhn(digits) and len(set(digits)) > 1:",
        "if _is_of_scheme(digits) and len(set(digits)) > 1:",
        ("tests/unit/privacy/test_detector.py",),
    ),
    Mutant(
        "a group of a table about nobody counts rows",
        "H4",
        f"{LAYER}/anonymised/grouping.py",
        '"COUNT(*)", *sums',
        '"SUM(m1)", *sums',
        GROUPED,
    ),
    Mutant(
        "what is left of a group when others are subtracted is not looked at",
        "H4",
        f"{LAYER}/anonymised/grouping.py",
        "while rest and left and not _rest(connection, definition, path, rest).is_safe(definition):",
        "while False:",
        GROUPED,
    ),
    Mutant(
        "below a group that is left out others are told of",
        "H4",
        f"{LAYER}/anonymised/grouping.py",
        "if one.path[:-1] in above:",
        "if one.path[:-1] is not None:",
        GROUPED,
    ),
    Mutant(
        "a release is replaced by a later one",
        "H4",
        f"{LAYER}/anonymised/releases.py",
        "        if found is not None:\n            return found\n        definition, now",
        "        definition, now",
        ("tests/unit/anonymised/test_releases.py",),
    ),
    Mutant(
        "a consent that is recorded again is another event",
        "H4",
        f"{LAYER}/privacy/subjects.py",
        "if held is not None and all(",
        "if held is not None and not all(",
        ("tests/integration/test_consents.py",),
    ),
    Mutant(
        "SQL reads rows of people who have withdrawn what it is for",
        "H4",
        f"{LAYER}/queries/materialize.py",
        "    if without:\n",
        "    if not without:\n",
        ("tests/unit/queries/test_left_out.py",),
    ),
    Mutant(
        "a row whose other column names somebody who has withdrawn is read",
        "H4",
        f"{LAYER}/lake/left_out.py",
        "for name in columns\n",
        "for name in [*columns][:1]\n",
        ("tests/unit/lake/test_left_out.py",),
    ),
    Mutant(
        "who is restricted is read of for what they have not withdrawn",
        "H4",
        f"{LAYER}/privacy/listing.py",
        "[EVERYTHING] if restricted else withdrawn",
        "withdrawn",
        ("tests/unit/privacy/test_suppressed.py",),
    ),
    Mutant(
        "of two statements at once one is lost",
        "H4",
        f"{LAYER}/privacy/subjects.py",
        'condition="consents = :read AND #state = :state"',
        'condition="#state = :state OR consents = :read"',
        ("tests/unit/privacy/test_suppressed.py",),
    ),
)
