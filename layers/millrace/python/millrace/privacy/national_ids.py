"""Numbers that states give to persons, in texts: by form and check digits (python-stdnum). Pure.

A form that hardly anything else has, or two check digits, are enough. A weaker number counts only where the field's name or a word
before it says what it is: of nine digits that mean nothing, every eleventh is a Dutch number.
"""

import importlib
import re
from collections.abc import Iterator
from functools import cache
from itertools import islice
from types import ModuleType

_OPEN, _END = r"(?<![0-9A-Za-z_.+/-])", r"(?![0-9A-Za-z_]|[-.][0-9])"
_NINO = "gb.nino"
_SSN = "us.ssn"
# Module of python-stdnum that holds a number to its check digits and dates → its form.
_STRONG = {
    "br.cpf": r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}",
    "be.nn": r"[0-9]{2}\.[0-9]{2}\.[0-9]{2}[- ][0-9]{3}\.[0-9]{2}",
    "cn.ric": r"[0-9]{17}[0-9X]",
    "fr.nir": r"[12] ?[0-9]{2} ?[0-9]{2} ?(?:[0-9]{2}|2[AB]) ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}",
    "it.codicefiscale": r"(?i:[A-Z]{6}[0-9LMNPQRSTUV]{2}[ABCDEHLMPRST][0-9LMNPQRSTUV]{2}[A-Z][0-9LMNPQRSTUV]{3}[A-Z])",
    "mx.curp": r"[A-Z]{4}[0-9]{6}[HM][A-Z]{5}[0-9A-Z][0-9]",
    # These two have no check digit, but a form of their own. GOV.UK, National Insurance Manual NIM39110: the prefixes in use.
    _SSN: r"[0-9]{3}-[0-9]{2}-[0-9]{4}",
    _NINO: r"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]",
}
_WITHOUT_CHECK = frozenset({_SSN, _NINO})
_ALTERNATIVES = "|".join(f"(?P<{name.replace('.', '__')}>{form})" for name, form in _STRONG.items())
_STRONG_FORMS = re.compile(f"{_OPEN}(?:{_ALTERNATIVES}){_END}")
_WEAK = tuple(
    (re.compile(f"{_OPEN}{form}{_END}"), modules)
    for form, *modules in (
        (r"[0-9]{8}[- ]?[A-Za-z]", "es.dni"),
        (r"[XYZxyz][- ]?[0-9]{7}[- ]?[A-Za-z]", "es.nie"),
        (r"[0-9]{3}[ .-]?[0-9]{2}[ .-]?[0-9]{4}", "us.ssn", "nl.bsn", "ca.sin"),
        (r"[0-9]{4}\.?[0-9]{2}\.?[0-9]{3}", "nl.bsn"),
        (r"[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{3}", "ca.sin"),
        (r"[0-9]{11}", "pl.pesel", "br.cpf", "be.nn", "de.idnr"),
        (r"[0-9]{2} [0-9]{3} [0-9]{3} [0-9]{3}", "de.idnr"),
        (r"(?:[0-9]{2})?[0-9]{6}[-+]?[0-9]{4}", "se.personnummer"),
        (r"[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{4}", "in_.aadhaar"),
        (r"[0-9]{6}-?[1-8][0-9]{6}", "kr.rrn"),
    )
)
_WORDS = (
    r"\b(?:ssn|social (?:security|insurance)|national (?:insurance|id|identity|number)|nino|dni|nie|nif|bsn|burgerservicenummer"
    r"|pesel|cpf|curp|steuer-?id|idnr|tax id|codice fiscale|personnummer|sin|aadhaar|rrn|rijksregister[a-z]*|identity (?:card|number)"
    r"|id (?:card|number))\b"
)
_SAID = re.compile(_WORDS, re.I)
# At most two short words between it and the number, as in `DNI no. 12345678Z`.
_SAID_BEFORE = re.compile(rf"{_WORDS}[^0-9A-Za-z]{{0,3}}(?:\w{{1,7}}\.?[: ]{{1,2}}){{0,2}}$", re.I)
_LOOK_BACK = 48
# Numbers that are held to their check digits in one text.
MOST = 100


def has_id(text: str, *, named: bool, is_number: bool) -> bool:
    """Whether it holds the number of a person.

    Args:
        text: any.
        named: whether the field's name says that it is one.
        is_number: whether the name says that it holds other numbers which are given out.
    """
    for match in islice(_STRONG_FORMS.finditer(text), MOST):
        name = str(match.lastgroup).replace("__", ".")
        if not (is_number and name in _WITHOUT_CHECK) and _is_valid(name, match[0]):
            return True
    if not named and not _SAID.search(text):
        return False
    return any(_is_valid(module, number) for number, modules in _weak(text, named) for module in modules)


def _weak(text: str, named: bool) -> Iterator[tuple[str, list[str]]]:
    """What may be a number, with the countries that have such."""
    for form, modules in _WEAK:
        for match in islice(form.finditer(text), MOST):
            if named or _SAID_BEFORE.search(text, max(0, match.start() - _LOOK_BACK), match.start()):
                yield match[0], modules


def _is_valid(module: str, text: str) -> bool:
    return module == _NINO or bool(_module(module).is_valid(text))


@cache
def _module(name: str) -> ModuleType:
    # When the first value looks like one of its numbers; most never do.
    return importlib.import_module(f"stdnum.{name}")
