"""Planted faults: users who are not found by their ids, or whose numbers are told to the wrong one."""

from tests.support.mutants.mutant import LAYER, Mutant

COUNTED = ("tests/unit/aggregates/test_counted_users.py",)
PREDICT = ("tests/unit/fraud/test_predict.py",)
NAMED = ("tests/unit/privacy/test_identities.py",)
MENTIONED = "tests/integration/test_mentioned_users.py"
PERSONS = ("tests/integration/test_persons.py",)
PATHS = ("tests/unit/core/test_path_ids.py",)
CHOSEN = ("tests/integration/test_chosen_numbers.py",)
FEATURES = (
    "tests/integration/test_features_api.py::test_of_who_is_restricted_or_has_withdrawn_nothing_is_told",
)
ERASED = (
    "tests/integration/test_subject_erasure.py::test_an_event_from_the_future_that_was_stored_before_brings_nobody_back",
)
OWN = ("tests/unit/queries/test_own_rows.py",)

MUTANTS = (
    Mutant(
        "whom no event has named reads rows that have the id",
        "user ids",
        f"{LAYER}/api/query.py",
        '.get(caller.id, "")',
        ".get(caller.id, caller.id)",
        OWN,
    ),
    Mutant(
        "features of a restricted person are told",
        "user ids",
        f"{LAYER}/api/features.py",
        "self._user_ids.stored(call.org, user, SCORING)",
        "self._user_ids.stored(call.org, user)",
        FEATURES,
    ),
    Mutant(
        "an event that was stored before an erasure brings the person back",
        "user ids",
        f"{LAYER}/intake/accept.py",
        "            if place not in forgotten\n            and name in people",
        "            if name in people",
        ERASED,
    ),
    Mutant(
        "an id that is the number of another one finds the other's rows",
        "user ids",
        f"{LAYER}/privacy/subjects.py",
        "before = () if identities.is_number(user) and int(user) in taken else (user,)",
        "before = (user,)",
        CHOSEN,
    ),
    Mutant(
        "an erasure reaches rows of whom the id is the number",
        "user ids",
        f"{LAYER}/people/rows.py",
        "return (subject,)\n",
        "return (subject, user)\n",
        CHOSEN,
    ),
    Mutant(
        "an alert may name whoever has digits that it quotes",
        "user ids",
        f"{LAYER}/privacy/identities.py",
        "if isinstance(subject, str) and subject.startswith(_USER)",
        "if isinstance(subject, str)",
        NAMED,
    ),
    Mutant(
        "an id that was put back is taken for a number again",
        "user ids",
        f"{LAYER}/privacy/identities.py",
        'if isinstance(value, str) and ("data", "payload", name) not in self._places',
        "if isinstance(value, str)",
        NAMED,
    ),
    Mutant(
        "a percent sign in a path is of the id as it arrived",
        "user ids",
        f"{LAYER}/core/path_ids.py",
        'if "%" in arrived:',
        'if "%" in arrived[:0]:',
        PATHS,
    ),
    Mutant(
        "an id that a path cannot hold stands there as it is",
        "user ids",
        f"{LAYER}/core/path_ids.py",
        'r"[A-Za-z0-9_-][A-Za-z0-9_.-]*"',
        'r"[A-Za-z0-9_.?%/-]+"',
        PATHS,
    ),
    Mutant(
        "a prediction looks for features by the user's id",
        "user ids",
        f"{LAYER}/fraud/predict.py",
        '"user_id": int(stored[user])',
        '"user_id": int(user)',
        PREDICT,
    ),
    Mutant(
        "a prediction without people reads what has the user's own id",
        "user ids",
        f"{LAYER}/fraud/predict.py",
        "None if stored is None else self._within(lambda: self._store.read(users, models.keys()))",
        "self._within(lambda: self._store.read(users, models.keys()))",
        PREDICT,
    ),
    Mutant(
        "what was counted under an id is another user",
        "user ids",
        f"{LAYER}/aggregates/answers.py",
        "return tuple(by[at][0] if at in by else value for at, value in enumerate(key))",
        "return key",
        COUNTED,
    ),
    Mutant(
        "part of a longer number is somebody",
        "user ids",
        f"{LAYER}/privacy/identities.py",
        '_IN_TEXT = re.compile(r"(?<![0-9])[4-9][0-9]{15}(?![0-9])")',
        '_IN_TEXT = re.compile(r"[4-9][0-9]{15}")',
        NAMED,
    ),
    Mutant(
        "the audit has the id of whom was asked for",
        "user ids",
        f"{LAYER}/api/persons.py",
        '{"subject": number}',
        '{"subject": given}',
        PERSONS,
    ),
    Mutant(
        "a feature of a user is looked for by the id",
        "user ids",
        f"{LAYER}/api/features.py",
        "if view.entity == USER",
        "if not view.entity",
        ("tests/integration/test_features_api.py::test_users_are_asked_for_by_their_ids",),
    ),
    Mutant(
        "an alert shows the number of its user",
        "user ids",
        f"{LAYER}/api/alerts.py",
        "return self._user_ids.told(org, muted, whom, _TOLD)",
        "return muted",
        ("tests/integration/test_alerts.py::test_alerts_name_users_by_their_ids",),
    ),
    Mutant(
        "who was erased comes back when somebody mentions the id",
        "user ids",
        f"{LAYER}/intake/accept.py",
        "for place, (_, envelope, _, owners) in enumerate(events)",
        "for place, (_, envelope, owners, _) in enumerate(events)",
        (f"{MENTIONED}::test_who_is_only_mentioned_is_nobody_after_an_erasure",),
    ),
    Mutant(
        "an event is refused because it mentions somebody who was erased",
        "user ids",
        f"{LAYER}/intake/accept.py",
        "for name in owners)",
        "for name in names)",
        (f"{MENTIONED}::test_who_is_only_mentioned_is_nobody_after_an_erasure",),
    ),
    Mutant(
        "a visitor of another producer stays in clear",
        "user ids",
        f"{LAYER}/privacy/identities.py",
        "return is_there",
        "return False",
        NAMED,
    ),
    Mutant(
        "whoever is mentioned is mentioned whatever the condition says",
        "user ids",
        f"{LAYER}/privacy/identities.py",
        "if holds is None or holds(envelope)",
        "if True",
        NAMED,
    ),
    Mutant(
        "a rewritten row is found by the old entity",
        "user ids",
        "cli/protecting/table.py",
        "contract = self.rewriter.contract_of(event)",
        'contract = getattr(self.rewriter.clear(event), "contract", None)',
        (f"{MENTIONED}::test_rows_of_yesterday_are_read_and_sent_again_and_rewritten",),
    ),
)
