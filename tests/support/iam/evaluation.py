"""The decision: explicit denials, then what the caller's own policies and the resource's policy allow.

Not here, because no template of ours has any: permission boundaries, session policies, and the policies of an organization.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-basics.html
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tests.support.iam.policy import Document, Named, Request, applies, names, statements


@dataclass(frozen=True)
class Account:
    """The policies of an account.

    Attributes:
        number: of the account; an ARN without one, such as a bucket's, is of this account.
        identities: the policies of each role, by its ARN.
        resources: the policy of each resource that has one, by its ARN; of a role its trust policy, of a key its key policy.
    """

    number: str
    identities: Mapping[str, Sequence[Document]] = field(default_factory=dict)
    resources: Mapping[str, Document] = field(default_factory=dict)

    def allows(self, request: Request) -> bool:
        """Whether a call is allowed."""
        own = list(self._own(request))
        of_resource = list(self._of_resource(request))
        if "Deny" in own or any(effect == "Deny" for effect, _ in of_resource):
            return False
        by_own = "Allow" in own
        by_resource = {how for _, how in of_resource}
        if request.caller.is_service or request.action.startswith("sts:AssumeRole"):
            return "itself" in by_resource
        if "itself" in by_resource and (by_own or self._same_account(request)):
            return True
        # A key's policy decides alone: to name the account hands the decision to the account's identities.
        # https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html
        if request.action.startswith("kms:") or not self._same_account(request):
            return by_own and ("account" in by_resource or self._is_not_ours(request))
        return by_own

    def _is_not_ours(self, request: Request) -> bool:
        """Of another account, such as AWS's images of SageMaker: its policy is not here, and is taken to allow."""
        return not self._same_account(request) and _owner_of_policy(request.resource) not in self.resources

    def _same_account(self, request: Request) -> bool:
        owner = request.resource.split(":")[4] if request.resource.startswith("arn:") else ""
        return request.caller.account == (owner or self.number)

    def _own(self, request: Request) -> Iterator[str]:
        for document in self.identities.get(request.caller.name, ()):
            for statement in statements(document):
                if applies(statement, request):
                    yield statement["Effect"]

    def _of_resource(self, request: Request) -> Iterable[tuple[str, Named]]:
        trust = request.action.startswith("sts:AssumeRole")
        document = self.resources.get(_owner_of_policy(request.resource))
        for statement in () if document is None else statements(document):
            how = names(statement, request.caller)
            if how != "not" and applies(statement, request, resource_named=not trust):
                yield statement["Effect"], how


def _owner_of_policy(resource: str) -> str:
    """An object of S3 is under its bucket's policy; everything else is under its own."""
    return resource.partition("/")[0] if resource.startswith("arn:aws:s3:::") else resource
