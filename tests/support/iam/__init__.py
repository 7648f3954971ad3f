"""Who may do what on AWS, from the published evaluation logic, over what an environment's templates deploy.

- `policy`: statements of a policy document, and whether one applies to a request
- `conditions`: operators, values and policy variables
- `evaluation`: the decision over identity policies, resource policies and key policies
- `deployment`: the templates of an environment as one account: ARNs instead of references, and every policy by its owner
- `relations`: the calls that services make in their own name or in a role, derived from the resources that imply them

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""
