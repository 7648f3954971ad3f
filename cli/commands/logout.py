"""`millrace logout`."""

from cli import sign_in
from cli.options import Env, Json
from cli.output import out, print_json
from cli.target import find_target


def logout(env: Env = None, as_json: Json = False) -> None:
    """Forget the sign-in that is kept here."""
    done = sign_in.forget(find_target(env, key_needed=False).env)
    if as_json:
        print_json({"signedOut": done})
    else:
        out.print("signed out" if done else "nobody was signed in")
