"""Faults that have a webhook believed that nobody signed, taken twice, or say more than it may."""

from tests.support.mutants.mutant import LAYER, Mutant

_SIGNATURES, _MESSAGES = "tests/unit/webhooks/test_signatures.py", "tests/unit/webhooks/test_messages.py"
_DOOR, _SOURCES = "tests/integration/test_webhooks.py", "tests/integration/test_sources.py"

MUTANTS = (
    Mutant(
        "a signature of Stripe's is good for ever",
        "right",
        f"{LAYER}/webhooks/signatures.py",
        '    _compare(made, [value for name, value in given if name == "v1"])\n    check_age(time, now, TOLERANCE_SECONDS)',
        '    _compare(made, [value for name, value in given if name == "v1"])',
        (_SIGNATURES,),
    ),
    Mutant(
        "a signature from the future is good",
        "right",
        f"{LAYER}/webhooks/delivery.py",
        "    if abs(now.timestamp() - int(text) / in_a_second) > seconds:",
        "    if now.timestamp() - int(text) / in_a_second > seconds:",
        (_SIGNATURES,),
    ),
    Mutant(
        "the address that was called is not in HubSpot's signature",
        "right",
        f"{LAYER}/webhooks/signatures.py",
        "        url = url.replace(code, character)",
        "        url = url.replace(character, code)",
        (_SIGNATURES,),
    ),
    Mutant(
        "an old secret is good after its overlap",
        "right",
        f"{LAYER}/webhooks/secrets.py",
        "        return tuple(one.value for one in known.secrets if one.until is None or one.until > now)",
        "        return tuple(one.value for one in known.secrets)",
        (_DOOR,),
    ),
    Mutant(
        "a secret that was rotated is not read again",
        "right",
        f"{LAYER}/webhooks/secrets.py",
        "(AGAIN_SECONDS if again else KEPT_SECONDS)",
        "KEPT_SECONDS",
        (_DOOR, _SOURCES),
    ),
    Mutant(
        "who asks for a source that there is not is told so",
        "right",
        f"{LAYER}/api/webhooks.py",
        'return Problem(HTTPStatus.UNAUTHORIZED, "no source of this name takes a delivery signed so")',
        "return Problem(HTTPStatus.UNAUTHORIZED, why)",
        (_DOOR,),
    ),
    Mutant(
        "two sources with one id of a provider's are one event",
        "isolation",
        f"{LAYER}/webhooks/messages.py",
        "event_id(self.binding.org, KIND, self.binding.name, *names)",
        "event_id(KIND, *names)",
        (_MESSAGES,),
    ),
    Mutant(
        "when a delivery came decides whether it is the same",
        "G1",
        f"{LAYER}/webhooks/messages.py",
        ", sent=made",
        "",
        (_MESSAGES,),
    ),
    Mutant(
        "of a kind without a rule everything is kept",
        "privacy",
        f"{LAYER}/webhooks/mapping.py",
        "kept = _kept(message, self.keep)",
        "kept = dict(message)",
        (_MESSAGES,),
    ),
    Mutant(
        "yen are counted in hundredths",
        "contract",
        f"{LAYER}/webhooks/mapping.py",
        "self.exponents.get(currency.upper(), USUAL_EXPONENT)",
        "USUAL_EXPONENT",
        (_MESSAGES,),
    ),
    Mutant(
        "a store that does not answer is answered as done",
        "G1",
        f"{LAYER}/api/webhooks.py",
        "        if counts[AppendResult.UNAVAILABLE]:",
        "        if counts[AppendResult.UNAVAILABLE] == len(results) > len(found):",
        (_DOOR,),
    ),
    Mutant(
        "a source is paused by any tenant",
        "isolation",
        f"{LAYER}/api/sources.py",
        "if one.org == call.org)",
        "if one.org)",
        (_SOURCES,),
    ),
)
