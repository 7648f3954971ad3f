"""Whether a contract could be deployed beside those in force: it compiles, and it breaks nobody inside its major.

Imported by one function only: it needs the compiler with its own third-party layer.
"""

from http import HTTPStatus
from typing import Any

from millrace.api.route import Call
from millrace.compiler.diff import compare
from millrace.compiler.documents import SENTENCE
from millrace.compiler.untrusted import PROBLEMS, TooLargeError, compile_outside
from millrace.contracts.errors import ContractError
from millrace.contracts.registry import Registry
from millrace.core import clock
from millrace.core.http import Problem

MEDIA_TYPES = ("application/json", "application/yaml", "text/yaml")
_NAME = "contract"


class CheckApi:
    """Answers of `POST /v1/schemas/check`."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def check(self, call: Call) -> dict[str, Any]:
        """`{"compatible", "breaking"}` for an ODCS contract in JSON or YAML, the first 100 reasons.

        A new type or a new major breaks nobody. What does not compile is a 400 with the first 100 problems.
        """
        media_type = call.request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type not in MEDIA_TYPES:
            raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"send {' or '.join(MEDIA_TYPES)}")
        try:
            changed = compile_outside(call.request.body, _NAME)
        except TooLargeError as error:
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, error.problems[0].sentence) from error
        except ContractError as error:
            problems = [
                {"pointer": problem.pointer, "message": problem.sentence} for problem in error.problems
            ]
            raise Problem(
                HTTPStatus.BAD_REQUEST, "the contract does not compile", problems=problems
            ) from error
        in_force = self._registry.majors(changed.event_type).get(changed.major)
        reasons = compare(in_force, changed, clock.now().date()) if in_force is not None else []
        breaking = [
            {name: text[:SENTENCE] for name, text in reason.to_json().items()}
            for reason in reasons[:PROBLEMS]
        ]
        return {"compatible": not reasons, "breaking": breaking}
